"""One term from its tensors: as torch computes it in training's dtype, and in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from lossaudit import registry
from lossaudit.errors import InputError, UsageError
from lossaudit.model.replay import Recomputed
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.definition import Definition
from lossaudit.spec.hints import did_you_mean
from lossaudit.witnesses.replay.names import listed, shown
from lossaudit.witnesses.replay.regions import Region, parse_region
from lossaudit.witnesses.replay.rounding import Estimate, Sums, combined, reduced
from lossaudit.witnesses.replay.sums import Rows, sum_rows
from lossaudit.witnesses.replay.term_function import Operands, TermFunction, shape_of

if TYPE_CHECKING:
    from torch import Tensor

MOST_IN_TORCH = 1 << 24
"""Elements of a prediction up to which torch's own function is called: it needs three to five
times the tensor's memory. Beyond, `value` is the float64 one, rounded to training's dtype."""

_KINDS = "lossaudit.witnesses.replay.terms"
_OF_EVERY_KIND = frozenset(
    ("kind", "reduction", "prediction", "target", "region", "denominator", "dtype", "note")
)


def term_functions() -> dict[str, TermFunction]:
    """Every term function by its name."""
    return registry.load(_KINDS, TermFunction)


def term_function(definition: Definition) -> TermFunction:
    """The term function of a definition's kind.

    Raises:
        UsageError: if there is none, if it lacks the reduction, or if a parameter is not its own.
    """
    known = registry.listed(_KINDS)
    name = definition.kind.replace("_", "-").lower()
    if name not in known:
        names = [n.replace("-", "_") for n in known]
        raise UsageError(
            f"no term function is called {shown(definition.kind)}",
            expected=", ".join(names),
            hint=did_you_mean(definition.kind, names),
        )
    function: TermFunction = registry.find(_KINDS, name, TermFunction)
    _check_parameters(function, definition)
    return function


def _check_parameters(function: TermFunction, definition: Definition) -> None:
    if definition.reduction and definition.reduction not in function.reductions:
        raise UsageError(
            f"{function.name} has no reduction {definition.reduction!r}",
            expected=", ".join(function.reductions),
        )
    plain = Definition()
    for key in Definition.__slots__:
        changed = getattr(definition, key) != getattr(plain, key)
        if changed and key not in _OF_EVERY_KIND and key not in function.parameters:
            raise UsageError(
                f"{function.name} has no parameter {key!r}",
                expected=", ".join(function.parameters) or "none",
            )


class Term(Struct, frozen=True):
    """A term, ready to be summed.

    Attributes:
        function: its kind.
        definition: its parameters.
        rows: views of its tensors in the region, rows first.
        cropped: the same before the rows came first, for torch's own function.
        region: what was cut.
        all_rows: how many rows the whole tensors have.
        dtype: training's.
    """

    function: TermFunction
    definition: Definition
    rows: Rows
    cropped: Operands
    region: Region
    all_rows: int
    dtype: str


def recompute_term(
    definition: Definition,
    tensors: Mapping[str, Tensor],
    dtype: str,
    region: Region | None = None,
) -> Recomputed:
    """Recompute one term.

    Args:
        definition: of the term; `prediction`, `target`, a mask and weights name tensors.
        tensors: of the batch, on one device; stored ones stay mapped and are read once.
        dtype: in which training computed the term; the tensors are converted to it first.
        region: in place of the definition's.

    Returns:
        `value` as torch computes it from these tensors in `dtype`, or, above `MOST_IN_TORCH`
        elements (`blocked`), `float64` rounded to it; `float64` from the same tensors; `low` and
        `high`: what torch may give for them with any number of threads, on a CPU or a GPU. All are
        NaN or infinite where the exact value is.

    Raises:
        UsageError: if the definition names no known kind, reduction or region.
        InputError: if tensors are missing or do not fit.
    """
    term = arrange(definition, tensors, dtype, region)
    exact, trained = _estimates(term)
    blocked = term.cropped.prediction.numel() > MOST_IN_TORCH
    value = _rounded(trained.value, dtype) if blocked else _in_torch(term)
    low, high = _reach(trained, value, dtype)
    return Recomputed(value, exact.value, low, high, blocked)


def arrange(
    definition: Definition, tensors: Mapping[str, Tensor], dtype: str, region: Region | None = None
) -> Term:
    """Find a term's tensors, check them, cut the region; see `recompute_term`."""
    function = term_function(definition)
    if dtype not in FORMATS:
        raise UsageError(f"no training dtype is called {shown(dtype)}", expected=", ".join(FORMATS))
    region = region or parse_region(definition.region, definition.denominator)
    whole = Operands(
        _find(definition.prediction, "prediction", tensors),
        _find(definition.target, "target", tensors),
        _find(definition.weight, "weight", tensors) if definition.weight else None,
        _find(definition.pos_weight, "pos_weight", tensors) if definition.pos_weight else None,
    )
    arranged = function.arrange(whole, definition)  # before the cut: shapes as the user knows them
    all_rows = arranged.operands.prediction.shape[: arranged.dims].numel()
    cropped = _cropped(whole, region, definition)
    if cropped is not whole:
        arranged = function.arrange(cropped, definition)
    shape = tuple(arranged.operands.prediction.shape[: arranged.dims])
    mask = region.mask_for(shape, tensors)
    rows = Rows(arranged.operands, arranged.dims, mask)
    return Term(function, definition, rows, cropped, region, all_rows, dtype)


def _find(name: str, role: str, tensors: Mapping[str, Tensor]) -> Tensor:
    if not name:
        raise UsageError(f"the term's definition names no {role}", expected=listed(tensors))
    if name not in tensors:
        raise InputError(
            f"the {role} {shown(name)} is not in the batch",
            expected=listed(tensors),
            hint=did_you_mean(name, tensors),
        )
    tensor = tensors[name]
    if str(tensor.layout) != "torch.strided" or tensor.is_quantized or tensor.is_meta:
        raise InputError(f"the {role} {shown(name)} is not a dense tensor with values")
    if str(tensor.dtype).removeprefix("torch.") not in _PLAIN:
        raise InputError(
            f"the {role} {shown(name)} is {shape_of(tensor)}", expected=", ".join(sorted(_PLAIN))
        )
    if not tensor.numel():
        raise InputError(f"the {role} {shown(name)} is empty: {shape_of(tensor)}")
    return tensor


_EXACT_INTEGERS = frozenset(("bool", "uint8", "int8"))
_PLAIN = frozenset(FORMATS) | _EXACT_INTEGERS | {"int16", "int32", "int64"}


def _cropped(whole: Operands, region: Region, definition: Definition) -> Operands:
    if region.kind in ("whole", "mask"):
        return whole
    weight = whole.weight
    if weight is not None and weight.shape == whole.prediction.shape:
        weight = region.crop(weight, definition.weight)
    return whole._replace(
        prediction=region.crop(whole.prediction, definition.prediction),
        target=region.crop(whole.target, definition.target),
        weight=weight,
    )


def _estimates(term: Term) -> tuple[Estimate, Estimate]:
    """From the tensors as stored, and from the tensors as training converted them."""
    exact = _estimate(term, None)
    numbers = filter(term.function.is_numbers, term.rows.operands.present())
    if any(_narrows(t, term.dtype) for t in numbers):
        return exact, _estimate(term, term.dtype)
    return exact, exact


def _narrows(tensor: Tensor, dtype: str) -> bool:
    """Whether converting may change a value."""
    stored = str(tensor.dtype).removeprefix("torch.")
    if stored in _EXACT_INTEGERS or stored == dtype:
        return False
    if stored not in FORMATS:
        return True
    held, wanted = FORMATS[stored], FORMATS[dtype]
    return (
        held.significand_bits > wanted.significand_bits
        or held.smallest_subnormal < wanted.smallest_subnormal
        or held.largest > wanted.largest
    )


def _estimate(term: Term, converted: str | None) -> Estimate:
    definition, function = term.definition, term.function
    masked = term.region.kind == "mask" and term.region.denominator == "region"

    def one(sums: Sums, denominator: float, is_sum_of_mask: bool) -> Estimate:
        return reduced(sums, denominator, term.dtype, function.roundings, is_sum_of_mask)

    def summed(rows: Rows) -> Sums:
        return sum_rows(function, definition, rows, term.dtype, converted)

    samples = term.rows.operands.prediction.shape[0] if term.rows.dims else 1
    if definition.reduction == "none":
        each = [summed(rows) for rows in term.rows.samples()]
        whole = term.all_rows / samples
        parts = [(1.0, one(s, _mean_over(s, term, whole), masked)) for s in each]
        return combined(parts, samples, term.dtype)
    sums = summed(term.rows)
    if definition.reduction == "sum":
        return one(sums, 1, False)
    if definition.reduction == "batchmean":
        return one(sums, samples, False)
    return one(sums, _mean_over(sums, term, term.all_rows), masked)


def _mean_over(sums: Sums, term: Term, whole: float) -> float:
    return whole if term.region.denominator == "whole" else sums.weight


def _in_torch(term: Term) -> float:
    """torch's own function on the tensors in training's dtype; a mask is multiplied in."""
    import torch

    dtype: torch.dtype = getattr(torch, term.dtype)
    region, reduction = term.region, term.definition.reduction or "mean"

    operands = term.cropped.each(lambda t: t.to(dtype) if term.function.is_numbers(t) else t)
    plain = region.kind != "mask" and region.denominator == "region"
    with torch.inference_mode():
        if plain and reduction != "none":
            return float(term.function.torch(operands, term.definition, reduction))
        rows = term.function.torch(operands, term.definition, "none")
        mask = None if term.rows.mask is None else term.rows.mask.to(dtype)
        rows = rows if mask is None else rows * mask
        return float(_reduced_in_torch(rows, mask, term))


def _reduced_in_torch(rows: Tensor, mask: Tensor | None, term: Term) -> Tensor:
    reduction, whole = term.definition.reduction or "mean", term.region.denominator == "whole"
    samples = rows.shape[0]
    if reduction == "sum":
        return rows.sum()
    if reduction == "batchmean":
        return rows.sum() / samples
    if reduction == "none":
        sums = rows.flatten(1).sum(1)
        if whole:
            return (sums / (term.all_rows / samples)).mean()
        if mask is None:
            return rows.flatten(1).mean(1).mean()
        return (sums / mask.flatten(1).sum(1)).mean()
    if whole:
        return rows.sum() / term.all_rows
    return rows.mean() if mask is None else rows.sum() / mask.sum()


def _rounded(value: float, dtype: str) -> float:
    import torch

    return float(torch.tensor(value, dtype=torch.float64).to(getattr(torch, dtype)))


def _reach(estimate: Estimate, value: float, dtype: str) -> tuple[float, float]:
    """[low, high]; a bound beyond the dtype's largest number is infinite, since it overflows."""
    if not math.isfinite(estimate.value):
        return estimate.value, estimate.value
    low, high = estimate.value - estimate.half_width, estimate.value + estimate.half_width
    largest = FORMATS[dtype].largest
    overflows = math.isinf(value)  # an element or a partial sum may overflow before the mean does
    return (
        -math.inf if low < -largest or (overflows and value < 0) else low,
        math.inf if high > largest or (overflows and value > 0) else high,
    )
