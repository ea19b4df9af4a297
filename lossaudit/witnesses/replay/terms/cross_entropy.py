"""Cross entropy of logits, torch.nn.functional.cross_entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossaudit.errors import InputError, UsageError
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.names import shown
from lossaudit.witnesses.replay.rounding import Chains, class_chains
from lossaudit.witnesses.replay.term_function import (
    Arranged,
    Losses,
    Operands,
    TermFunction,
    Units,
    shape_of,
)

if TYPE_CHECKING:
    from torch import Tensor


def arrange(operands: Operands, definition: Definition) -> Arranged:
    """Classes are the second dimension and come last here; targets are indices or probabilities."""
    x, y, weight, _ = operands
    if not 0 <= definition.label_smoothing <= 1:
        shown_number = f"label_smoothing is {definition.label_smoothing!r}"
        raise UsageError(shown_number, expected="a number from 0 to 1")
    if x.dim() < 2:
        raise InputError(
            f"{shown(definition.prediction)} is {shape_of(x)}", expected="(N, C) or (N, C, ...)"
        )
    rows, classes = (x.shape[0], *x.shape[2:]), x.shape[1]
    fits = y.shape == x.shape if y.dtype.is_floating_point else tuple(y.shape) == rows
    if not fits:
        raise InputError(
            f"{shown(definition.prediction)} is {shape_of(x)}, "
            f"{shown(definition.target)} {shape_of(y)}",
            expected=f"class indices of shape {rows} or probabilities of shape {tuple(x.shape)}",
        )
    if weight is not None:
        if tuple(weight.shape) != (classes,):
            raise InputError(
                f"{shown(definition.weight)} is {shape_of(weight)}", expected=f"({classes},)"
            )
        weight = weight.expand(*rows, classes)
    target = y.movedim(1, -1) if y.dtype.is_floating_point else y
    return Arranged(Operands(x.movedim(1, -1), target, weight), len(rows))


def losses(block: Operands, definition: Definition, units: Units) -> Losses:
    """-sum_c w_c t_c log softmax(x)_c, t one-hot or given, smoothed towards 1/C.

    Roundings: inside log softmax those of the accumulation dtype (shifts, exponentials, their sum,
    its logarithm), then of its output, of the weights and of the sum over classes.
    """
    import torch

    x, y, weight = block.prediction, block.target, block.weight
    classes, smooth = x.shape[-1], definition.label_smoothing
    given, count = _shares(y, x, definition)
    shares = given * (1 - smooth) + smooth / classes
    if weight is not None:
        shares = shares * weight
    largest = x.amax(-1, keepdim=True)
    shifted = x - largest
    log_sum = shifted.exp().sum(-1, keepdim=True).log_()
    logs = shifted - log_sum
    spread = torch.xlogy(logs.exp(), shifted.exp()).abs().sum(-1, keepdim=True)
    inside = spread + 4 + 4 * log_sum + 2 * largest.abs() + x.abs() + shifted.abs()
    own = units.share * inside + units.chain(classes) + 2 * logs.abs()
    sizes = shares.abs() * logs.abs()
    error = (shares.abs() * own).sum(-1) + (units.chain(classes) + 6) * sizes.sum(-1)
    used = shares != 0  # a class that nobody asks for may have no probability at all
    value = -torch.where(used, shares * logs, 0.0).sum(-1)
    error = torch.where(torch.isfinite(value), error, value)
    if count is None:
        return Losses(value, error + classes * units.floor)
    picked = count if weight is None else count * weight.gather(-1, _index(y, count)).squeeze(-1)
    return Losses(value * count, (error + classes * units.floor) * count, picked)


def _index(indices: Tensor, count: Tensor) -> Tensor:
    return (indices.long() * count.long()).unsqueeze(-1)


def _shares(y: Tensor, x: Tensor, definition: Definition) -> tuple[Tensor, Tensor | None]:
    """The share of each class, and for class indices which rows count (1) or are ignored (0)."""
    import torch

    if y.dtype.is_floating_point:
        return y, None
    count = (y != int(definition.ignore_index)).double()
    index = _index(y, count)
    classes = x.shape[-1]
    if bool(((index < 0) | (index >= classes)).any()):
        wrong = index.min() if bool(index.min() < 0) else index.max()
        raise InputError(
            f"{shown(definition.target)} holds the class {int(wrong)}",
            expected=f"0 to {classes - 1}, or ignore_index {definition.ignore_index:g}",
        )
    return torch.zeros_like(x).scatter_(-1, index, 1.0), count


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """torch's own."""
    from torch.nn.functional import cross_entropy

    x, y, weight, _ = operands
    return cross_entropy(
        x,
        y if y.dtype.is_floating_point else y.long(),
        weight=weight,
        ignore_index=int(definition.ignore_index),
        reduction=reduction,
        label_smoothing=definition.label_smoothing,
    )


def chains(operands: Operands) -> Chains:
    """Those of torch's nll_loss; probabilities are added as any numbers are."""
    x, y, *_ = operands
    if y.dtype.is_floating_point:
        return Chains()
    return class_chains(y.numel(), x.shape[0], is_flat=x.dim() == 2)


CROSS_ENTROPY = TermFunction(
    "cross_entropy",
    "-sum_c w_c t_c log softmax(x)_c, classes along the second dimension",
    arrange,
    losses,
    in_torch,
    parameters=("weight", "ignore_index", "label_smoothing"),
    roundings=32,
    index_target=True,
    chains=chains,
)
