"""Certified weights: the box of all weights, of the declared signs, that no row refutes.

Over all rows where they agree, else over stretches of rows that some weights satisfy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from lossaudit.closure.program import WeightRows, box_of, is_feasible, joined
from lossaudit.model.table import Floats

MOST_STRETCHES = 12


class WeightBox(Struct, frozen=True):
    """What a stretch of rows allows.

    Attributes:
        low, high: shape (n,), the certified interval of each weight; infinite where unbounded.
        start, stop: the stretch of rows that was used.
        complete: True where that stretch is all rows.
    """

    low: Floats
    high: Floats
    start: int
    stop: int
    complete: bool

    def __len__(self) -> int:
        return self.stop - self.start


def certify(rows: WeightRows) -> WeightBox | None:
    """The box of weights over all rows, or over the longest stretch found that has any.

    Returns:
        None where no stretch of at least twice as many rows as weights is consistent.
    """
    return longest(stretches(rows), rows.terms.shape[1])


def longest(found: Sequence[WeightBox], weights: int) -> WeightBox | None:
    """The longest stretch, the first of equals; None if it has fewer than two rows a weight."""
    best = max(found, key=len, default=None)
    return best if best is not None and (best.complete or len(best) >= 2 * weights) else None


def stretches(rows: WeightRows) -> list[WeightBox]:
    """Stretches of rows that some weights satisfy, one after the other: one where all rows agree.

    Each begins where the one before ends and is as long as it can be. At most twelve are sought so;
    what follows them (weights that rose at first, say, and then stayed) gives one more, which
    reaches back from the last row as far as it can.
    """
    if not len(rows):
        return []
    whole = box_of(rows)
    if whole is not None:
        return [WeightBox(whole.low, whole.high, 0, len(rows), True)]
    found, start = list[WeightBox](), 0
    while len(found) < MOST_STRETCHES and start < len(rows):
        stop = start + longest_prefix(rows.part(slice(start, len(rows))))
        found += _boxed(rows, start, stop)
        start = max(stop, start + 1)
    if start < len(rows):
        back = longest_prefix(rows.part(np.arange(len(rows) - 1, start - 1, -1)))
        found += _boxed(rows, len(rows) - back, len(rows))
    return found


def _boxed(rows: WeightRows, start: int, stop: int) -> list[WeightBox]:
    box = box_of(rows.part(slice(start, stop))) if stop > start else None
    return [] if box is None else [WeightBox(box.low, box.high, start, stop, False)]


def longest_prefix(rows: WeightRows, before: WeightRows | None = None) -> int:
    """Most rows from the first on that some weights satisfy, by doubling and bisection.

    Args:
        rows: in file order.
        before: rows that must be satisfied as well.
    """

    def agree(count: int) -> bool:
        part = rows.part(slice(0, count))
        return is_feasible(part if before is None else joined([before, part]))

    good, bad = 0, 1
    while bad <= len(rows) and agree(bad):
        good, bad = bad, bad * 2
    bad = min(bad, len(rows) + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        if agree(middle):
            good = middle
        else:
            bad = middle
    return good
