"""Binary cross entropy of probabilities, torch.nn.functional.binary_cross_entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossaudit.errors import InputError
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.names import shown
from lossaudit.witnesses.replay.term_function import (
    Losses,
    Operands,
    TermFunction,
    Units,
    elementwise,
)

if TYPE_CHECKING:
    from torch import Tensor

LEAST_LOG = -100.0
"""torch cuts logarithms off there."""


def losses(block: Operands, definition: Definition, units: Units) -> Losses:
    """-w (y log p + (1 - y) log(1 - p)), logarithms cut off at -100.

    Roundings: four of each logarithm, one of 1 - p, and one of each operation.

    Raises:
        InputError: if a prediction is no probability.
    """
    p, y = block.prediction, block.target
    if bool(((p < 0) | (p > 1)).any()):
        raise InputError(
            f"{shown(definition.prediction)} holds {float(p.min()):g} to {float(p.max()):g}",
            expected="probabilities from 0 to 1",
            hint="kind: bce_with_logits, if these are logits",
        )
    hit = y * p.log().clamp_(min=LEAST_LOG)
    miss = (1 - y) * (-p).log1p_().clamp_(min=LEAST_LOG)
    value = -hit - miss
    error = 8 * (hit.abs() + miss.abs() + (1 - y).abs()) + 2 * units.floor
    if block.weight is not None:
        value, error = value * block.weight, (error + 2 * value.abs()) * block.weight.abs()
    return Losses(value, error)


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """torch's own, which refuses NaN; then the value is NaN."""
    from torch.nn.functional import binary_cross_entropy

    p, y, weight, _ = operands
    if bool(p.isnan().any()):
        return p * y if reduction == "none" else (p * y).sum()
    return binary_cross_entropy(p, y, weight=weight, reduction=reduction)


BCE = TermFunction(
    "bce",
    "-w (y log p + (1 - y) log(1 - p))",
    elementwise,
    losses,
    in_torch,
    parameters=("weight",),
    roundings=16,
)
