"""Is a formula that fits established? What else would fit, and could it fit by chance?

Established is a formula where

1. every term is needed: no weights of all columns together fit without it;
2. no other column can be in it with a weight that anyone would give a term;
3. each weight's interval holds one plain number;
4. a straight line, a parabola or a constant cannot stand in for a term;
5. by chance a total would fit once in 2^40 such searches or less.

Points 1 and 2 are settled for all combinations of columns at once, by bounds on the weights of the
largest set of columns that rounding lets us tell apart; see `certify`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from lossaudit.closure.identify.certify import Bounds, least_squares, narrowed, outer_bounds
from lossaudit.closure.identify.joint import Hidden, hidden_column, joint_bounds, told_apart
from lossaudit.closure.identify.sample import TRENDS, Sample
from lossaudit.numerics.plain_numbers import Reading, read_interval

ENOUGH_BITS = 40.0

MOST_BITS_A_ROW = 50.0
SMOOTHEST = 8
"""Degree of a polynomial that would make the total no more than so many numbers and one."""


class Standing(Struct, frozen=True):
    """How well a formula is established.

    Attributes:
        bounds: of its weights, whatever their signs; None where they cannot be told apart.
        readings: what each interval says; empty where a weight may be 0 or anything.
        hidden: columns that may be terms too.
        replaceable: terms that other columns, together, may replace.
        trend: terms that a trend over the rows may replace.
        bits: against a fit by chance.
        crowded: whether there are as many columns as rows, so that nobody looked further.
    """

    bounds: Bounds | None
    readings: tuple[Reading, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    replaceable: tuple[int, ...] = ()
    trend: tuple[int, ...] = ()
    bits: float = 0.0
    crowded: bool = False

    @property
    def is_doubtful(self) -> bool:
        """Whether other sets of columns may fit."""
        return bool(self.replaceable) or not self.readings

    @property
    def unsettled(self) -> tuple[int, ...]:
        """Which weights' intervals hold several plain numbers, or are too wide, by their order."""
        return tuple(i for i, r in enumerate(self.readings) if not r.settled)


def weigh_evidence(
    sample: Sample, terms: Sequence[int], pool: Sequence[int], totals: int
) -> Standing:
    """How well the formula of these terms is established.

    Args:
        sample: the rows.
        terms: of the formula.
        pool: all columns that may be terms.
        totals: how many columns were tried as the total.
    """
    bounds, crowded = settling_bounds(sample, terms), is_crowded(sample, pool)
    if bounds is None or not bounds.excludes_zero().all():
        return Standing(bounds, crowded=crowded)
    readings = read_all(bounds)
    if crowded:
        return Standing(bounds, readings, crowded=True)
    others = [p for p in pool if p not in terms]
    apart, outer = told_apart(sample, terms, others)
    settled = all(r.settled for r in readings)
    needed, joint = joint_bounds(sample, terms, apart, outer, settled)
    replaceable = [t for t, is_needed in zip(terms, needed, strict=True) if not is_needed]
    if len(apart) < len(others):
        replaceable = list(terms)  # nobody knows: the caller looks for other sets
    hidden = (hidden_column(sample, terms, o, joint.get(o), settled) for o in others)
    return Standing(
        bounds,
        readings,
        tuple(h for h in hidden if h),
        tuple(replaceable),
        _like_a_trend(sample, terms) if settled else (),
        _bits(sample, terms, readings) - math.log2(math.comb(len(pool), len(terms)) * totals),
    )


def is_crowded(sample: Sample, pool: Sequence[int]) -> bool:
    """Whether there are as many columns as rows, so that any total is some sum of them."""
    return len(pool) >= len(sample)


def read_all(bounds: Bounds) -> tuple[Reading, ...]:
    """What each interval says; none of them may hold 0."""
    ends = zip(bounds.low.tolist(), bounds.high.tolist(), strict=True)
    return tuple(read_interval(low, high) for low, high in ends)


def settling_bounds(sample: Sample, terms: Sequence[int]) -> Bounds | None:
    """Bounds on the weights, by the linear program where outer bounds do not settle them."""
    rows = sample.inequalities(terms)
    known = outer_bounds(rows)
    if known is None:
        return None
    if known.excludes_zero().all() and all(r.settled for r in read_all(known)):
        return known
    return narrowed(rows, known)


def _like_a_trend(sample: Sample, terms: Sequence[int]) -> tuple[int, ...]:
    """Terms that a polynomial over the rows may replace."""
    rows = sample.inequalities(terms, TRENDS)
    bounds = outer_bounds(rows)
    if bounds is not None and not bounds.excludes_zero()[: len(terms)].all():
        bounds = narrowed(rows, bounds)
    there = [False] * len(terms) if bounds is None else bounds.excludes_zero().tolist()
    return tuple(t for t, stands in zip(terms, there[: len(terms)], strict=True) if not stands)


def _bits(sample: Sample, terms: Sequence[int], readings: Sequence[Reading]) -> float:
    """How unlikely it is that a total fits by chance, with weights as plain as these."""
    rows = sample.inequalities(terms)
    weights = np.array([float(r.value) for r in readings])
    tolerance = rows.slack + rows.spread @ np.abs(weights)
    spread = float(np.std(sample.total))
    precise = float(np.median(tolerance))
    a_row = math.log2(spread / precise) if 0 < precise < spread else 0.0 if precise else 50.0
    spare = max(0, _independent_rows(sample, rows.terms, tolerance) - len(terms) - TRENDS)
    plain = sum(-math.log2(max(r.chance, 1e-15)) for r in readings if r.settled)
    return spare * min(a_row, MOST_BITS_A_ROW) + plain


def _independent_rows(sample: Sample, terms: np.ndarray, tolerance: np.ndarray) -> int:
    """Rows that are no repetition of others, or of a polynomial through a few."""
    different = len(np.unique(np.column_stack([sample.total, terms]), axis=0))
    for degree in range(min(SMOOTHEST, different - 1) + 1):
        rows = sample.inequalities([], degree + 1)
        fitted = rows.terms @ least_squares(rows)
        if np.all(np.abs(sample.total - fitted) <= tolerance):
            return degree + 1
    return different
