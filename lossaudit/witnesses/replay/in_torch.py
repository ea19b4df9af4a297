"""A term's value as torch computes it: its own function, in training's dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossaudit.witnesses.replay.term import Term

if TYPE_CHECKING:
    from torch import Tensor


def value_in_torch(term: Term) -> Tensor:
    """torch's own function on the tensors converted to training's dtype, shape ().

    Without a region, and in a cut one, that is the function with its reduction. A mask is
    multiplied into the losses of all rows, and their sum is divided by the mask's.
    """
    import torch

    dtype: torch.dtype = getattr(torch, term.dtype)
    operands = term.cropped.each(lambda t: t.to(dtype) if term.function.is_numbers(t) else t)
    whole, mask = term.region.denominator == "whole", term.rows.mask
    with torch.inference_mode():
        if term.reduction in ("sum", "batchmean", "mean") and mask is None and not whole:
            return term.function.torch(operands, term.definition, term.reduction)
        rows = term.function.torch(operands, term.definition, "none")
        if mask is None:
            return _reduced(rows, None, term)
        share = mask.to(dtype)
        return _reduced(rows * share, share, term)


def _reduced(rows: Tensor, mask: Tensor | None, term: Term) -> Tensor:
    over_whole = term.region.denominator == "whole"
    if term.reduction == "sum":
        return rows.sum()
    if term.reduction == "batchmean":
        return rows.sum() / term.samples
    if term.reduction == "none":
        each = rows.reshape(term.samples, -1)
        if over_whole:
            return (each.sum(1) / (term.all_rows // term.samples)).mean()
        if mask is None:
            return each.mean(1).mean()
        return (each.sum(1) / mask.reshape(term.samples, -1).sum(1)).mean()
    if over_whole:
        return rows.sum() / term.all_rows
    return rows.mean() if mask is None else rows.sum() / mask.sum()
