"""Effective weights: how much the total changes with each term, asked of autograd itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lossaudit.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


def probe(total: Tensor, terms: Mapping[str, Any]) -> dict[str, float | None]:
    """The derivative of the total by each term, exactly as autograd would propagate it.

        total = 2.0 * loss_lip + loss_latents
        probe(total, {"loss_lip": loss_lip, "loss_latents": loss_latents})
        {"loss_lip": 2.0, "loss_latents": 1.0}

    One `torch.autograd.grad` from the total to the terms; the network below them is not walked.
    Call it before `backward()`: neither `.grad` of any parameter nor the graph changes.

    Limits: for a total that is not linear in its terms this is the local derivative, not a weight.
    A term from which another term is computed counts with its way through that one too. Tensors
    strictly between terms and total that have hooks or `retain_grad()` see one more pass. In a
    compiled region the total need not come from the terms as the caller holds them: None then.

    Args:
        total: shape () or of one element, as it will be differentiated.
        terms: by name, of one element each, the very tensors that the total was computed from.

    Returns:
        For each name the derivative, in the term's dtype; None where there is none: the term is
        detached, no tensor, or not what the total was computed from. A weight of zero is 0.0.

    Raises:
        UsageError: if the total is no tensor, something has more than one element, or the graph is
            gone because `backward()` was called before.
    """
    import torch

    if not isinstance(total, torch.Tensor):
        raise UsageError(
            f"the total is a {type(total).__name__}", expected="the tensor before .item()"
        )
    demand_scalar("total", total)
    weights: dict[str, float | None] = dict.fromkeys(terms)
    asked: dict[str, Tensor] = {}
    for name, term in terms.items():
        if isinstance(term, torch.Tensor):
            demand_scalar(name, term)
            if term.requires_grad:
                asked[name] = term
    if asked and total.requires_grad:
        found = derivatives(total, list(asked.values()), torch.ones_like(total))
        numbers = [None if grad is None else float(grad.item()) for grad in found]
        weights |= dict(zip(asked, numbers, strict=True))
    return weights


def demand_scalar(name: str, value: Tensor) -> None:
    """Refuse a tensor of several elements."""
    if value.numel() != 1:
        raise UsageError(
            f"{name!r} has shape {tuple(value.shape)}",
            expected="one element, such as a mean gives",
        )


def derivatives(of: Tensor, by: Sequence[Tensor], times: Tensor) -> list[Tensor | None]:
    """`times * d of / d by`, each None where there is no way; no `.grad` changes.

    Raises:
        UsageError: if the graph is gone.
    """
    import torch

    # retain_grad() makes even autograd.grad add to .grad of the tensors it passes.
    retaining = [t for t in (of, *by) if t.retains_grad]
    before = [t.grad for t in retaining]
    try:
        found = torch.autograd.grad(of, list(by), times, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        raise UsageError(
            f"the total cannot be differentiated: {str(error).partition('.')[0]}",
            hint="call probe before backward()",
        ) from None
    finally:
        for tensor, grad in zip(retaining, before, strict=True):
            tensor.grad = grad
    return list(found)
