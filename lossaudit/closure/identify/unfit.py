"""Why no formula fits every row: a smoothed total, a constant, weights that change, a lost term."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossaudit.closure.identify.answer import Weighted, plain_weights
from lossaudit.closure.identify.certify import some_weights_fit
from lossaudit.closure.identify.evidence import is_crowded, settling_bounds
from lossaudit.closure.identify.runners import listed
from lossaudit.closure.identify.sample import Sample
from lossaudit.closure.identify.search import Pool, fewest_terms
from lossaudit.numerics.plain_numbers import plain_text, read_interval

MOST_WINDOW = 200
ROWS_FOR_A_WINDOW = 600
LEAST_ROWS = 30
MOST_COLUMNS = 40
"""Columns with which a total is looked at that changes its ways."""


def why_unfit(sample: Sample, pool: Pool) -> str:
    """Why no weighted sum of the columns gives the total on every row, as far as that shows."""
    if not sample.total.any():
        return "it is 0 on every row"
    if is_crowded(sample, pool.terms):
        return f"{len(sample)} rows tell no formula of {len(pool.terms)} columns"
    if pool.terms and some_weights_fit(sample, pool.terms, 1):
        return (
            "its columns give it only with a constant added: something that is no column is in it"
        )
    if pool.scaled and not pool.copies:
        return f"{listed([sample.tags[p] for p in pool.scaled])} is a multiple of it, and no sum"
    if changed := _changes(sample, pool.terms):
        return changed
    several = f"no weighted sum of {len(pool.terms)} columns" if pool.terms else "no other column"
    return f"{several} gives it on every row: a term may not be logged, or it may be smoothed"


def window_of(sample: Sample, pool: Sequence[int]) -> int | None:
    """Rows over which the total may be the trailing mean of a weighted sum; None: over none.

    From one row to the next such a mean changes by (f_i - f_(i-W)) / W.

    Args:
        sample: the first rows of a log.
        pool: columns.
    """
    sample = sample.part(slice(0, ROWS_FOR_A_WINDOW))
    if len(sample) < LEAST_ROWS or np.any(np.diff(sample.at) != 1) or not pool:
        return None
    values, radii = sample.values[:, list(pool)], sample.radii[:, list(pool)]
    for window in range(2, min(MOST_WINDOW, (len(sample) - len(pool)) // 2) + 1):
        change = sample.total[window:] - sample.total[window - 1 : -1]
        terms = values[window:] - values[:-window]
        weights, *_ = np.linalg.lstsq(terms, change, rcond=None)
        rounded = sample.slack[window:] + sample.slack[window - 1 : -1]
        sizes = np.abs(values[window:]) + np.abs(values[:-window])
        rounded += (radii[window:] + radii[:-window]) @ np.abs(weights)
        rounded += 4 * window * sample.unit_roundoff * (sizes @ np.abs(weights))
        if np.all(np.abs(change - terms @ weights) <= rounded):
            return window
    return None


def decay_of(sample: Sample, pool: Sequence[int]) -> str:
    """What an exponential mean the total may be, in words; empty where it is none.

    With decay A such a mean is A times the one before and 1 - A times the sum.

    Args:
        sample: the first rows of a log.
        pool: columns.
    """
    both = sample.with_previous()
    last = len(both.tags) - 1
    if len(both) < LEAST_ROWS or len(pool) > MOST_COLUMNS or is_crowded(both, pool):
        return ""
    terms = fewest_terms(both, [*pool, last])
    if terms is None or last not in terms or len(terms) < 2:
        return ""
    bounds = settling_bounds(both, terms)
    if bounds is None or not bounds.excludes_zero().all():
        return ""
    at = terms.index(last)
    low, high = float(bounds.low[at]), float(bounds.high[at])
    if not 0 < low <= high < 1:
        return ""
    weights = {}
    for i, place in enumerate(terms):
        if i != at:
            ends = [e / (1 - a) for e in (bounds.low[i], bounds.high[i]) for a in (low, high)]
            weights[both.tags[place]] = read_interval(float(min(ends)), float(max(ends))).value
    decay = plain_text(read_interval(low, high).value)
    formula = Weighted(weights).text
    return f"it is an exponential mean, with decay {decay}, of {formula}: log it before smoothing"


def _changes(sample: Sample, pool: Sequence[int]) -> str:
    """The formulas of the first rows and of the last ones, where all rows have none."""
    if not pool or len(pool) > MOST_COLUMNS:
        return ""
    first = _longest(sample, pool)
    rest = sample.part(slice(first, None))
    last = _longest(rest, pool)
    least = max(LEAST_ROWS // 2, 2 * len(pool))
    if first < least or last < least:
        return ""
    early, late = (
        _formula(sample.part(slice(0, first)), pool),
        _formula(rest.part(slice(0, last)), pool),
    )
    if not early or not late:
        return ""
    ends = f"{sample.at[first - 1] + 1:,.0f}", f"{rest.at[last - 1] + 1:,.0f}"
    return (
        f"no formula fits every row: up to row {ends[0]} it is {early}, and then, up to row"
        f" {ends[1]}, {late}"
    )


def _formula(sample: Sample, pool: Sequence[int]) -> str:
    terms = fewest_terms(sample, pool)
    weights = terms and plain_weights(sample, terms, settling_bounds(sample, terms))
    if not terms or not weights:
        return ""
    tags = [sample.tags[t] for t in terms]
    return Weighted(dict(zip(tags, weights, strict=True))).text


def _longest(sample: Sample, pool: Sequence[int]) -> int:
    """How many rows from the first on some weights fit, by doubling and bisection."""
    good, bad = 0, min(len(pool) + 1, len(sample) + 1)
    while bad <= len(sample) and some_weights_fit(sample.part(slice(0, bad)), pool):
        good, bad = bad, bad * 2
    bad = min(bad, len(sample) + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        if some_weights_fit(sample.part(slice(0, middle)), pool):
            good = middle
        else:
            bad = middle
    return good
