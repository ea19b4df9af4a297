"""One term from its tensors: as torch computes it in training's dtype, and in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lossaudit.model.replay import Recomputed
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.blocks import LARGE
from lossaudit.witnesses.replay.in_torch import value_in_torch
from lossaudit.witnesses.replay.layers import layers_of
from lossaudit.witnesses.replay.regions import Region, parse_region
from lossaudit.witnesses.replay.rounding import Estimate, Sums, combined, reduced
from lossaudit.witnesses.replay.sums import Rows, sum_rows
from lossaudit.witnesses.replay.term import Term, find_term, term_function

if TYPE_CHECKING:
    from torch import Tensor


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
        `value` as torch computes it from these tensors in `dtype`, or, above `LARGE` elements
        (`blocked`), `float64` rounded to it; `float64` from the same tensors, of l1 on float32 ones
        that large within 2**-24 of it; `low` and `high`: what torch may give for them with any
        number of threads, on a CPU or a GPU. All are NaN or infinite where the exact value is.

    Raises:
        UsageError: if the definition names no known kind, reduction or region.
        InputError: if tensors are missing or do not fit.
    """
    function = term_function(definition)
    region = region or parse_region(definition.region, definition.denominator)
    layers = layers_of(definition, tensors) if function.layered else [(1.0, definition)]
    terms = [(weight, find_term(layer, tensors, dtype, region)) for weight, layer in layers]
    parts = [(weight, *_estimates(term)) for weight, term in terms]
    exact, trained = parts[0][1], parts[0][2]
    if function.layered:
        exact = combined([(w, e) for w, e, _ in parts], 1, dtype)
        trained = combined([(w, t) for w, _, t in parts], 1, dtype)
    blocked = any(term.cropped.prediction.numel() > LARGE for _, term in terms)
    value = _rounded(trained.value, dtype) if blocked else _added_in_torch(terms)
    if region.kind == "mask" and math.isnan(value):  # of a loss that may not have been counted
        value = _rounded(trained.value, dtype)
    low, high = _reach(trained, value, dtype)
    return Recomputed(value, exact.value, low, high, blocked)


def _estimates(term: Term) -> tuple[Estimate, Estimate]:
    """From the tensors as stored, and from the tensors as training converted them."""
    exact = _estimate(term, None)
    return exact, _estimate(term, term.dtype) if term.narrows else exact


def _estimate(term: Term, converted: str | None) -> Estimate:
    def summed(rows: Rows) -> Sums:
        return sum_rows(term.function, term.definition, rows, term.dtype, converted)

    chains = term.chains

    def over(sums: Sums, denominator: float, adds: bool = False) -> Estimate:
        adds = adds or (chains.narrow > 0 and denominator != 1)
        return reduced(sums, denominator, term.dtype, term.function.roundings, adds, chains)

    if term.reduction == "none":
        parts = [(1.0, over(s, *_shared_by(s, term))) for s in map(summed, term.rows.samples())]
        return combined(parts, term.samples, term.dtype)
    sums = summed(term.rows)
    if term.reduction == "sum":
        return over(sums, 1)
    if term.reduction == "batchmean":
        return over(sums, term.samples)
    return over(sums, *_shared_by(sums, term))


def _shared_by(sums: Sums, term: Term) -> tuple[float, bool]:
    """What a mean divides by, and whether training added it up from numbers in its dtype."""
    each = term.reduction == "none"
    if term.region.denominator == "whole":
        return (term.all_rows // term.samples if each else term.all_rows), False
    if term.rows.mask is not None:
        return sums.mask, True
    return (sums.rows if each else sums.weight), bool(term.definition.weight)


def _added_in_torch(terms: list[tuple[float, Term]]) -> float:
    """The weighted sum of the layers, in training's dtype; a single term as it is."""
    (weight, first), *others = terms
    total = value_in_torch(first)
    if others or weight != 1:
        total = weight * total
    for weight, term in others:
        total = total + weight * value_in_torch(term)
    return float(total)


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
