"""From columns to the fewest terms whose weighted sum fits every row.

Least squares says where to look; that weights fit is the linear program's word, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from lossaudit.closure.identify.certify import least_squares, some_weights_fit
from lossaudit.closure.identify.sample import Sample

MOST_ALTERNATIVES = 4
MOST_PURSUED = 24


class Pool(Struct, frozen=True):
    """The columns of a sample, sorted out; all are places in `sample.tags`.

    Attributes:
        terms: what may be a term.
        copies: columns that repeat the total, to within rounding.
        scaled: columns that are the total times a number.
        same: column -> others that hold the same numbers.
        zeros: columns that are 0 on every row.
    """

    terms: tuple[int, ...]
    copies: tuple[int, ...]
    scaled: tuple[int, ...]
    same: dict[int, tuple[int, ...]]
    zeros: tuple[int, ...] = ()


def sort_out(sample: Sample) -> Pool:
    """Set aside columns that are the total once more, another column once more, or 0."""
    if not len(sample):
        return Pool((), (), (), {})
    copies, scaled, terms, zeros = list[int](), list[int](), list[int](), list[int]()
    same: dict[int, tuple[int, ...]] = {}
    for place in range(len(sample.tags)):
        values = sample.values[:, place]
        twin = next((t for t in terms if np.array_equal(values, sample.values[:, t])), None)
        if not values.any():
            zeros.append(place)
        elif _repeats_total(sample, place):
            copies.append(place)
        elif some_weights_fit(sample, [place]):
            scaled.append(place)
        elif twin is not None:
            same[twin] = (*same.get(twin, ()), place)
        else:
            terms.append(place)
    return Pool(tuple(terms), tuple(copies), tuple(scaled), same, tuple(zeros))


def _repeats_total(sample: Sample, place: int) -> bool:
    rows = sample.inequalities([place])
    return bool(np.all(np.abs(rows.total - rows.terms[:, 0]) <= rows.slack + rows.spread[:, 0]))


def fewest_terms(sample: Sample, pool: Sequence[int]) -> tuple[int, ...] | None:
    """Columns that fit all rows and of which none can be left out; None where all do not fit.

    Columns that add little to the total are left out first, so of several answers this is one that
    explains most with least; `alternatives` finds others.
    """
    if not some_weights_fit(sample, pool):
        return None
    size = np.sqrt(np.mean(sample.values[:, list(pool)] ** 2, axis=0))
    order = np.argsort(-np.abs(least_squares(sample.inequalities(pool))) * size, kind="stable")
    ranked = [pool[i] for i in order.tolist()]
    kept = ranked[: _enough(sample, ranked)]
    for place in reversed(kept.copy()):
        rest = [k for k in kept if k != place]
        if some_weights_fit(sample, rest):
            kept = rest
    return tuple(sorted(kept))


def few_terms(sample: Sample, pool: Sequence[int]) -> tuple[int, ...] | None:
    """A few of more columns than rows that fit all rows; None where none were found.

    Columns are taken one after the other: that which explains most of what is left (orthogonal
    matching pursuit). What it finds fits; what it does not find may be there.
    """
    columns = sample.values[:, list(pool)]
    columns = columns - columns.mean(axis=0)  # what all have in common tells none from another
    size = np.maximum(np.sqrt((columns**2).sum(axis=0)), np.finfo(np.float64).tiny)
    total = sample.total - sample.total.mean()
    taken, left = list[int](), total
    for _ in range(min(MOST_PURSUED, len(sample) // 2)):
        taken.append(int(np.argmax(np.abs(columns.T @ left) / size)))
        weights, *_ = np.linalg.lstsq(columns[:, taken], total, rcond=None)
        left = total - columns[:, taken] @ weights
        if some_weights_fit(sample, [pool[i] for i in taken]):
            return fewest_terms(sample, [pool[i] for i in taken])
    return None


def _enough(sample: Sample, ranked: Sequence[int]) -> int:
    """How many of the first columns fit the rows, by bisection; all of them do."""
    bad, good = -1, len(ranked)
    while good - bad > 1:
        middle = (good + bad) // 2
        if some_weights_fit(sample, ranked[:middle]):
            good = middle
        else:
            bad = middle
    return good


def alternatives(
    sample: Sample, pool: Sequence[int], terms: Sequence[int]
) -> list[tuple[int, ...]]:
    """Other sets of columns that fit every row, each without some term of the answer."""
    found = list[tuple[int, ...]]()
    for place in terms:
        other = fewest_terms(sample, [p for p in pool if p != place])
        if other is not None and other not in found:
            found.append(other)
        if len(found) >= MOST_ALTERNATIVES:
            break
    return found
