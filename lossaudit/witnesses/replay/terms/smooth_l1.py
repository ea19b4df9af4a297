"""Smooth L1 loss, torch.nn.functional.smooth_l1_loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossaudit.errors import UsageError
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.term_function import (
    Arranged,
    Losses,
    Operands,
    TermFunction,
    Units,
    elementwise,
)

if TYPE_CHECKING:
    from torch import Tensor


def arrange(operands: Operands, definition: Definition) -> Arranged:
    """Element by element; beta is not negative."""
    if definition.beta < 0:
        raise UsageError(f"beta is {definition.beta!r}", expected="a number from 0 on")
    return elementwise(operands, definition)


def losses(block: Operands, definition: Definition, units: Units) -> Losses:
    """|d|**2 / (2 beta) below beta, |d| - beta/2 from there on; with beta 0 it is l1.

    Roundings: of the difference (twice where it is squared), of beta, of each operation. Where they
    decide between the branches, these differ by a multiple of u**2 only.
    """
    import torch

    distance, beta = block.prediction.sub_(block.target).abs_(), definition.beta
    if beta == 0:
        return Losses(distance, distance)
    near = distance < beta
    value = torch.where(near, 0.5 * distance.square() / beta, distance - 0.5 * beta)
    error = torch.where(near, 7 * value, distance + 0.5 * beta + 2 * value)
    square = torch.where(near, distance.square(), distance)
    return Losses(value, error + units.floor * (1 + 1 / beta) + units.beyond(square))


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """torch's own."""
    from torch.nn.functional import smooth_l1_loss

    x, y, *_ = operands
    return smooth_l1_loss(x, y, reduction=reduction, beta=definition.beta)


SMOOTH_L1 = TermFunction(
    "smooth_l1",
    "d**2 / (2 beta) where d = |x - y| < beta, else d - beta/2",
    arrange,
    losses,
    in_torch,
    parameters=("beta",),
    positive=True,
)
