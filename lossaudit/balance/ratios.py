"""How large one term is beside another, before their weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from msgspec import Struct, field

from lossaudit.balance.sizes import SizeHistogram
from lossaudit.model.balance import Ratio
from lossaudit.model.table import Floats

MOST_IN_PAIRS = 4
"""Terms of which every pair is compared; of more, each is compared with the largest."""


def all_pairs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Every pair, where the terms are few."""
    return list(combinations(places, 2)) if len(places) <= MOST_IN_PAIRS else []


def pairs_with(largest: int, places: Sequence[int]) -> list[tuple[int, int]]:
    """Each against the largest, where the terms are too many for `all_pairs`."""
    return [(i, largest) for i in places if i != largest] if len(places) > MOST_IN_PAIRS else []


class RatioFold(Struct):
    """|numerator| / |denominator| over rows; rows on which both are 0 say nothing."""

    below: int = 0
    rows: int = 0
    spread: SizeHistogram = field(default_factory=SizeHistogram)

    def update(self, numerator: Floats, denominator: Floats) -> None:
        """Take in rows; both of shape (N,) and not negative."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratios = numerator / denominator  # NaN where both are 0, which no bin counts
        self.spread.update(ratios)
        self.below += int(np.count_nonzero(numerator < denominator))
        self.rows += int(np.count_nonzero(~np.isnan(ratios)))

    def merge(self, later: RatioFold) -> None:
        """Add further rows."""
        self.below += later.below
        self.rows += later.rows
        self.spread.merge(later.spread)

    def result(self, numerator: str, denominator: str) -> Ratio:
        """Under the names of the two terms."""
        p05, p50, p95 = (self.spread.percentile(q) for q in (0.05, 0.5, 0.95))
        return Ratio(numerator, denominator, p05, p50, p95, self.below, self.rows)
