"""Mean squared error, torch.nn.functional.mse_loss."""

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
    """(x - y)**2: the difference's rounding counts twice, and that of the product once."""
    value = block.prediction.sub_(block.target).square_()
    return Losses(value, 3 * value + units.floor)


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """torch's own."""
    from torch.nn.functional import mse_loss

    return mse_loss(operands.prediction, operands.target, reduction=reduction)


MSE = TermFunction("mse", "(x - y)**2", elementwise, losses, in_torch, roundings=3, positive=True)
