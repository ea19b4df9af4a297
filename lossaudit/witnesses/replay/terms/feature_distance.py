"""Distance of features, given the features: VGG losses, LPIPS, feature matching."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossaudit.errors import InputError
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.names import shown
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

NORMALIZE_EPS = 1e-10
"""LPIPS adds it to the norm of a feature vector."""


def _sums_channels(operands: Operands, definition: Definition) -> bool:
    return operands.weight is not None or definition.normalize


def arrange(operands: Operands, definition: Definition) -> Arranged:
    """Each element is a row; with channel weights or normalised features, each place is."""
    x, y, weight, _ = operands
    elementwise(Operands(x, y), definition)
    if not _sums_channels(operands, definition):
        return Arranged(Operands(x, y), x.dim())
    if x.dim() < 2:
        raise InputError(
            f"{shown(definition.prediction)} is {shape_of(x)}", expected="(N, C) or (N, C, ...)"
        )
    dims = x.dim() - 1
    if weight is not None:
        if weight.numel() != x.shape[1]:
            raise InputError(
                f"{shown(definition.weight)} is {shape_of(weight)}, "
                f"{shown(definition.prediction)} {shape_of(x)}",
                expected=f"one number for each of {x.shape[1]} channels",
            )
        weight = weight.reshape(-1).expand(x.shape[0], *x.shape[2:], x.shape[1])
    return Arranged(Operands(x.movedim(1, -1), y.movedim(1, -1), weight), dims)


def losses(block: Operands, definition: Definition, units: Units) -> Losses:
    """|x - y| or (x - y)**2; with channels summed, sum_c w_c of them, features normalised or not.

    Roundings: as in l1 and mse; of a normalised feature its norm's, so that features nearly alike
    keep the error of their own size, also squared.
    """
    x, y, weight, _ = block
    blur = None
    if definition.normalize:
        (x, x_blur), (y, y_blur) = (_unit_length(t, units) for t in (x, y))
        blur = x_blur + y_blur
    distance = (x - y).abs_()
    wide = distance if blur is None else distance + blur
    value, error = distance, wide
    if definition.norm != "l1":
        value = distance.square()
        error = wide * (2 * distance + units.roundoff * wide) + value + units.floor
        error = error + units.beyond(value)
    if not _sums_channels(block, definition):
        return Losses(value, error)
    if weight is not None:
        value, error = value * weight, (error + value) * weight.abs() + units.floor
    chain = units.chain(value.shape[-1])
    total, sizes = value.sum(-1), value.abs().sum(-1)
    return Losses(total, error.sum(-1) * (1 + chain * units.roundoff) + chain * sizes + sizes)


def _unit_length(x: Tensor, units: Units) -> tuple[Tensor, Tensor]:
    """Feature vectors of length 1, and their errors."""
    norms, places = x.norm(dim=-1, keepdim=True), x.shape[-1]
    x = x / (norms + NORMALIZE_EPS)
    lost = units.chain(places) + 6 + units.norm(norms, places, NORMALIZE_EPS)
    return x, lost * x.abs() + units.floor


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """The usual lines of Python, in training's dtype."""
    x, y, weight, _ = operands
    if definition.normalize:
        x, y = (t / (t.pow(2).sum(1, keepdim=True).sqrt() + NORMALIZE_EPS) for t in (x, y))
    rows = (x - y).abs() if definition.norm == "l1" else (x - y).pow(2)
    if weight is not None:
        rows = rows * weight.reshape(-1, *[1] * (x.dim() - 2))
    if _sums_channels(operands, definition):
        rows = rows.sum(1)
    if reduction == "none":
        return rows
    return rows.sum() if reduction == "sum" else rows.mean()


FEATURE_DISTANCE = TermFunction(
    "feature_distance",
    "sum over layers of layer_weight * mean of (x - y)**2, or of |x - y| with norm: l1",
    arrange,
    losses,
    in_torch,
    parameters=("weight", "norm", "normalize", "layer_weights"),
    roundings=16,
    layered=True,
)
