"""The losses of all rows, block by block in float64, added up exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.blocks import BLOCK, split
from lossaudit.witnesses.replay.rounding import Sums
from lossaudit.witnesses.replay.term_function import Operands, TermFunction, Units

if TYPE_CHECKING:
    from torch import Tensor


class Rows(Struct, frozen=True):
    """Views of a term's tensors, rows first.

    Attributes:
        operands: see `term_function.Arranged`.
        dims: leading dimensions that count rows.
        mask: one number for each row, or None.
    """

    operands: Operands
    dims: int
    mask: Tensor | None = None

    def samples(self) -> Iterator[Rows]:
        """The rows of each sample, along the first dimension."""
        if not self.dims:
            yield self
            return
        for i in range(self.operands.prediction.shape[0]):
            here = slice(i, i + 1)
            part = self.operands.each(lambda tensor, here=here: tensor[here])  # type: ignore[misc]
            yield Rows(part, self.dims, None if self.mask is None else self.mask[here])

    def blocks(self) -> Iterator[tuple[Operands, Tensor | None]]:
        """Blocks of rows with their mask."""
        given = self.operands.present()
        width = max(t.shape[self.dims :].numel() for t in given)
        masks = [] if self.mask is None else [self.mask]
        for views in split([*given, *masks], self.dims, max(1, BLOCK // width)):
            left = iter(views)
            yield self.operands.each(lambda _, left=left: next(left)), next(left, None)  # type: ignore[misc]


def sum_rows(
    function: TermFunction,
    definition: Definition,
    rows: Rows,
    dtype: str,
    converted: str | None = None,
) -> Sums:
    """Sum the losses of all rows.

    Args:
        function, definition: the kind of loss and its parameters.
        rows: where the tensors are.
        dtype: training's, for the rows' error.
        converted: a dtype to which every number is rounded first.
    """
    units = Units(dtype)
    totals, magnitudes, errors, weights, masks = [], [], [], [], []
    count = 0
    for operands, mask in rows.blocks():
        block = operands.each(lambda tensor: _doubled(tensor, function, converted))
        value, error, weight = function.losses(block, definition, units)
        count += value.numel()
        if mask is not None:
            share = mask.double()
            value, error = value * share, (error + value.abs()) * share.abs()
            masks.append(float(share.sum()))
        totals.append(float(value.sum()))
        magnitudes.append(float(value.abs().sum()))
        errors.append(float(error.sum()))
        weights.append(value.numel() if weight is None else float(weight.sum()))
    return Sums(
        _added(totals),
        _added(magnitudes),
        _added(errors),
        _added(weights),
        count if rows.mask is None else _added(masks),
        count,
    )


def _doubled(tensor: Tensor, function: TermFunction, converted: str | None) -> Tensor:
    if not function.is_numbers(tensor):
        return tensor
    if converted is not None:
        import torch

        tensor = tensor.to(getattr(torch, converted))
    return tensor.double()


def _added(numbers: list[float]) -> float:
    """The exact sum, rounded once; NaN and infinities as addition has them."""
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):  # beyond float64, or infinities of both signs
        return sum(numbers)
