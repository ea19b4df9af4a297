"""How the steps of the totals follow one another: the usual distance, gaps, steps that go back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Ints

MOST_DISTANCES = 4096
"""Different distances that are counted one by one; a log with more has no usual one."""


class Spacing(Struct, frozen=True):
    """The distances between the steps of successive totals.

    Attributes:
        count: totals. first, last: their smallest and largest step, or None.
        usual: the median distance, 0 where it is not above 0.
        regular: distances that are the usual one.
        longer: distances that are above it; missing: steps that would have filled them up.
        gap: (step before, step after) of the first such distance, or None.
        back: distances below 0.
        whole_multiples: whether every longer distance is a multiple of the usual one.
    """

    count: int = 0
    first: int | None = None
    last: int | None = None
    usual: int = 0
    regular: int = 0
    longer: int = 0
    missing: int = 0
    gap: tuple[int, int] | None = None
    back: int = 0
    whole_multiples: bool = True


def survey(steps: Iterable[Ints]) -> Spacing:
    """Look at the steps of all totals once, a stretch at a time."""
    counted: Counter[int] = Counter()
    places: dict[int, tuple[int, int]] = {}
    count, first, last, previous = 0, None, None, None
    for stretch in steps:
        if not len(stretch):
            continue
        count += len(stretch)
        low, high = int(stretch.min()), int(stretch.max())
        first = low if first is None else min(first, low)
        last = high if last is None else max(last, high)
        joined = stretch if previous is None else np.concatenate([[previous], stretch])
        previous = int(stretch[-1])
        _count_distances(joined, counted, places)
    return _conclude(count, first, last, counted, places)


def _count_distances(
    steps: Ints, counted: Counter[int], places: dict[int, tuple[int, int]]
) -> None:
    """Count each distance, and remember where it stood first."""
    distance = np.diff(steps)
    if not len(distance):
        return
    if np.all(distance == distance[0]):
        distinct, at, counts = distance[:1], np.zeros(1, np.int64), np.array([len(distance)])
    else:
        distinct, at, counts = np.unique(distance, return_index=True, return_counts=True)
    for value, index, number in zip(distinct.tolist(), at.tolist(), counts.tolist(), strict=True):
        if value in counted or len(counted) < MOST_DISTANCES:
            counted[value] += number
            places.setdefault(value, (int(steps[index]), int(steps[index + 1])))


def _conclude(
    count: int,
    first: int | None,
    last: int | None,
    counted: Counter[int],
    places: dict[int, tuple[int, int]],
) -> Spacing:
    half, seen, usual = sum(counted.values()) / 2, 0, 0
    for distance in sorted(counted):
        seen += counted[distance]
        if seen >= half:
            usual = max(distance, 0)
            break
    if not usual:
        back = sum(n for d, n in counted.items() if d < 0)
        return Spacing(count, first, last, back=back)
    longer = {d: n for d, n in counted.items() if d > usual}
    gaps = sorted((places[d] for d in longer), key=lambda g: g[0])
    return Spacing(
        count,
        first,
        last,
        usual,
        counted[usual],
        sum(longer.values()),
        sum((d // usual - 1) * n for d, n in longer.items()),
        gaps[0] if gaps else None,
        sum(n for d, n in counted.items() if d < 0),
        all(d % usual == 0 for d in longer),
    )
