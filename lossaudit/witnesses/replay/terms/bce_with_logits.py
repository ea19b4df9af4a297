"""Binary cross entropy of logits, torch.nn.functional.binary_cross_entropy_with_logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossaudit.errors import InputError
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.term_function import (
    Arranged,
    Losses,
    Operands,
    TermFunction,
    Units,
    elementwise,
    shape_of,
)

if TYPE_CHECKING:
    from torch import Tensor


def arrange(operands: Operands, definition: Definition) -> Arranged:
    """Element by element; pos_weight has one number, or the sizes of the last dimensions."""
    shape, pos_weight = operands.prediction.shape, operands.pos_weight
    if pos_weight is not None:
        if pos_weight.numel() != 1 and pos_weight.shape != shape[-pos_weight.dim() :]:
            raise InputError(
                f"pos_weight is {shape_of(pos_weight)}, the prediction "
                f"{shape_of(operands.prediction)}",
                expected="one number, or one for each place along the last dimensions",
            )
        operands = operands._replace(pos_weight=pos_weight.expand(shape))
    return elementwise(operands, definition)


def losses(block: Operands, definition: Definition, units: Units) -> Losses:
    """w ((1 - y) x + (1 + (q - 1) y) log(1 + exp(-x))), q the pos_weight.

    Roundings: of exp and of log1p four each, and one of each operation, whether it is written so or
    as max(x, 0) - x y + log(1 + exp(-|x|)).
    """
    x, y = block.prediction, block.target
    curve = (-x.abs()).exp_().log1p_()
    soft = curve + (-x).clamp_(min=0)
    linear = (1 - y) * x
    size = x.abs() * (1 + y.abs())
    if block.pos_weight is None:
        value, error = linear + soft, 3 * size + 8 * curve + 3 * soft
    else:
        excess = (block.pos_weight - 1) * y
        share = 1 + excess
        value = linear + share * soft
        error = 3 * size + share.abs() * (8 * curve + 3 * soft) + 3 * (1 + excess.abs()) * soft
    error = error + 4 * linear.abs() + value.abs() + 4 * units.floor
    if block.weight is not None:
        value, error = value * block.weight, (error + 2 * value.abs()) * block.weight.abs()
    return Losses(value, error)


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """torch's own."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    x, y, weight, pos_weight = operands
    return binary_cross_entropy_with_logits(
        x, y, weight=weight, reduction=reduction, pos_weight=pos_weight
    )


BCE_WITH_LOGITS = TermFunction(
    "bce_with_logits",
    "w ((1 - y) x + (1 + (pos_weight - 1) y) log(1 + exp(-x)))",
    arrange,
    losses,
    in_torch,
    parameters=("weight", "pos_weight"),
    roundings=24,
)
