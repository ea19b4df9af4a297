"""Kullback-Leibler divergence of distributions, torch.nn.functional.kl_div."""

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
    """y (log y - x), where x are log-probabilities; with log_target exp(y) (y - x).

    Roundings: four of exp or log, and one of each operation.
    """
    import torch

    x, y = block.prediction, block.target
    if definition.log_target:
        value = y.exp() * (y - x)
        return Losses(value, 8 * value.abs() + (5 + (y - x).abs()) * units.floor)
    own, cross = torch.xlogy(y, y), y * x
    return Losses(own - cross, 8 * own.abs() + 4 * cross.abs() + 2 * units.floor)


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """torch's own; "batchmean" divides by the size of the first dimension.

    torch warns that its "mean" will become that in some later release. Here it stays the mean over
    all elements, as every release so far computes it.
    """
    from torch.nn.functional import kl_div

    x, y, *_ = operands
    if reduction == "mean":
        return kl_div(x, y, reduction="none", log_target=definition.log_target).mean()
    return kl_div(x, y, reduction=reduction, log_target=definition.log_target)


KL = TermFunction(
    "kl",
    "y (log y - x), x log-probabilities (torch's kl_div)",
    elementwise,
    losses,
    in_torch,
    parameters=("log_target",),
    reductions=("mean", "sum", "batchmean", "none"),
    roundings=12,
)
