"""All columns at once: which terms are needed, and which other columns may be terms too."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from lossaudit.closure.identify.certify import Bounds, narrowed, outer_bounds
from lossaudit.closure.identify.sample import Sample
from lossaudit.closure.program import WeightRows
from lossaudit.model.table import Bools

LEAST_WEIGHT = 1e-3
"""A column that may have a weight from here on may be a term."""

LEAST_SHARE, TINY_WEIGHT = 1e-5, 1e-6
"""So may one of a smaller weight that would make up more than this share of the total."""

MOST_DOUBTFUL = 64
"""Columns whose bounds are narrowed by a linear program each."""

FEW_DOUBTFUL = 3
"""Of which so many are looked at first."""


class Hidden(Struct, frozen=True):
    """A column that may be in the total for all that the rows say; its weight's bounds."""

    place: int
    low: float
    high: float


def told_apart(
    sample: Sample, terms: Sequence[int], others: Sequence[int]
) -> tuple[list[int], Bounds | None]:
    """The other columns, or most of them, that rounding lets us tell from all the rest.

    Returns:
        Them, and bounds on the weights of the terms and of them.
    """
    bounds = outer_bounds(sample.inequalities([*terms, *others]))
    if bounds is not None:
        return list(others), bounds
    kept = list[int]()
    for place in others:
        found = outer_bounds(sample.inequalities([*terms, *kept, place]))
        if found is not None:
            bounds = found
            kept.append(place)
    return kept, bounds or outer_bounds(sample.inequalities(terms))


def joint_bounds(
    sample: Sample,
    terms: Sequence[int],
    apart: Sequence[int],
    bounds: Bounds | None,
    narrow: bool,
) -> tuple[list[bool], dict[int, tuple[float, float]]]:
    """With all columns at once: which terms are needed, and the other columns' bounds."""
    rows = sample.inequalities([*terms, *apart])
    if bounds is None:
        return [False] * len(terms), {}
    doubtful = ~bounds.excludes_zero()
    for i, place in enumerate(apart, len(terms)):
        doubtful[i] = _matters(sample, place, bounds.low[i], bounds.high[i])
    if narrow and 0 < np.count_nonzero(doubtful) <= MOST_DOUBTFUL:
        bounds = _narrowed_while_it_helps(sample, rows, [*terms, *apart], bounds, doubtful)
    ends = list(zip(bounds.low.tolist(), bounds.high.tolist(), strict=True))
    needed = [low > 0 or high < 0 for low, high in ends[: len(terms)]]
    return needed, dict(zip(apart, ends[len(terms) :], strict=True))


def _narrowed_while_it_helps(
    sample: Sample, rows: WeightRows, places: Sequence[int], bounds: Bounds, doubtful: Bools
) -> Bounds:
    """The bounds of doubtful columns, a few first: where those stay in doubt the rest may as well.

    Terms come first in `places`, so that the few are terms where any is in doubt.
    """
    few = doubtful & (np.cumsum(doubtful) <= FEW_DOUBTFUL)
    bounds = narrowed(rows, bounds, few) or bounds
    for i in np.flatnonzero(few).tolist():
        low, high = float(bounds.low[i]), float(bounds.high[i])
        if low <= 0 <= high and _matters(sample, places[i], low, high):
            return bounds
    rest = doubtful & ~few
    return (narrowed(rows, bounds, rest) or bounds) if rest.any() else bounds


def hidden_column(
    sample: Sample,
    terms: Sequence[int],
    place: int,
    known: tuple[float, float] | None,
    narrow: bool,
) -> Hidden | None:
    """A column that may be a term beside the others, if it may."""
    if known is not None:
        return Hidden(place, *known) if _matters(sample, place, *known) else None
    rows = sample.inequalities([*terms, place])
    bounds = outer_bounds(rows)
    if bounds is not None and narrow:
        bounds = narrowed(rows, bounds)
    if bounds is None:
        return Hidden(place, -math.inf, math.inf)
    low, high = float(bounds.low[-1]), float(bounds.high[-1])
    return Hidden(place, low, high) if _matters(sample, place, low, high) else None


def _matters(sample: Sample, place: int, low: float, high: float) -> bool:
    """Whether a weight in these bounds may be a term's."""
    size = max(abs(low), abs(high))
    if size >= LEAST_WEIGHT or size < TINY_WEIGHT:
        return size >= LEAST_WEIGHT
    total = float(np.median(np.abs(sample.total)))
    return size * float(np.median(np.abs(sample.values[:, place]))) >= LEAST_SHARE * total
