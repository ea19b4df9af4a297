"""Huber loss, torch.nn.functional.huber_loss."""

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
    """Element by element; delta is positive."""
    if definition.delta <= 0:
        raise UsageError(f"delta is {definition.delta!r}", expected="a number above 0")
    return elementwise(operands, definition)


def losses(block: Operands, definition: Definition, units: Units) -> Losses:
    """d**2 / 2 up to delta, delta (d - delta/2) beyond; roundings as in smooth_l1."""
    import torch

    distance, delta = block.prediction.sub_(block.target).abs_(), definition.delta
    near = distance <= delta
    value = torch.where(near, 0.5 * distance.square(), delta * (distance - 0.5 * delta))
    error = torch.where(near, 6 * value, delta * (distance + delta) + 4 * value)
    return Losses(value, error + units.floor * (2 + delta) + units.beyond(distance))


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """torch's own."""
    from torch.nn.functional import huber_loss

    x, y, *_ = operands
    return huber_loss(x, y, reduction=reduction, delta=definition.delta)


HUBER = TermFunction(
    "huber",
    "d**2 / 2 where d = |x - y| <= delta, else delta (d - delta/2)",
    arrange,
    losses,
    in_torch,
    parameters=("delta",),
    positive=True,
)
