"""KL divergence from N(mu, exp(logvar)) to the standard normal, as in variational autoencoders."""

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
    """The prediction is mu, the target logvar; each sample, all its latents together, is a row."""
    elementwise(operands, definition)
    if operands.prediction.dim() < 2:
        raise InputError(
            f"{definition.prediction} is {shape_of(operands.prediction)}",
            expected="(N, D) or (N, ...): samples, then latents",
        )
    return Arranged(operands, 1)


def losses(block: Operands, definition: Definition, units: Units) -> Losses:
    """-1/2 sum_d (1 + logvar - mu**2 - exp(logvar)).

    Roundings: four of exp, one of each operation, and the sum over the latents.

    Source:
        Kingma & Welling 2013, arXiv:1312.6114, appendix B.
    """
    mu, logvar = block.prediction.flatten(1), block.target.flatten(1)
    square, spread = mu.square(), logvar.exp()
    each = 1 + logvar - square - spread
    size = (1 + logvar.abs() + square + spread).sum(1)
    value = -0.5 * each.sum(1)
    latents = mu.shape[1]
    error = 4 * size + units.chain(latents) * (0.5 * each.abs().sum(1) + size * units.roundoff * 4)
    error = error + 2 * value.abs() + 2 * latents * units.floor
    return Losses(value, error + units.beyond(square.amax(1)) + units.beyond(spread.amax(1)))


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """The usual line of Python, in training's dtype."""
    mu, logvar = operands.prediction.flatten(1), operands.target.flatten(1)
    rows = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1)
    if reduction == "none":
        return rows
    return rows.sum() if reduction == "sum" else rows.mean()


GAUSSIAN_KL = TermFunction(
    "gaussian_kl",
    "-1/2 sum_d (1 + logvar - mu**2 - exp(logvar)); prediction: mu, target: logvar",
    arrange,
    losses,
    in_torch,
    reductions=("mean", "sum", "batchmean", "none"),
    roundings=12,
)
