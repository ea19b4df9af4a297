"""Mean absolute error, torch.nn.functional.l1_loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.term_function import (
    Losses,
    Operands,
    TermFunction,
    Units,
    elementwise,
)

if TYPE_CHECKING:
    from torch import Tensor


def losses(block: Operands, definition: Definition, units: Units) -> Losses:
    """|x - y|: one rounding, of the difference."""
    value = block.prediction.sub_(block.target).abs_()
    return Losses(value, value)


def in_float32(block: Operands, memory: Tensor) -> Tensor:
    """The differences rounded to float32: at most 2**-24 of each, as in training."""
    import torch

    return torch.sub(block.prediction, block.target, out=memory).abs_()


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """torch's own."""
    from torch.nn.functional import l1_loss

    return l1_loss(operands.prediction, operands.target, reduction=reduction)


L1 = TermFunction(
    "l1", "|x - y|", elementwise, losses, in_torch, in_float32, roundings=1, positive=True
)
