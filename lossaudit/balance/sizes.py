"""Percentiles of sizes over many powers of ten: a histogram of logarithms, which merges."""

from __future__ import annotations

import numpy as np
from msgspec import Struct, field

from lossaudit.model.table import Floats, Ints

BINS_AN_OCTAVE = 128
"""A bin's middle is off by at most 2 ** (1 / 256) - 1, less than 0.3 %."""

OCTAVES = 160
"""Sizes are told apart from 2 ** -160 to 2 ** 160, which float32 does not leave."""


class SizeHistogram(Struct):
    """How numbers of 0 and above are spread; what it keeps does not grow with their number.

    Attributes:
        zeros, infinite: numbers that have no logarithm.
        first: number of the first bin; bin k holds what rounds to 2 ** (k / 128).
        counts: by bin.
        low, high: the smallest and the largest number that has a logarithm.
    """

    zeros: int = 0
    infinite: int = 0
    first: int = 0
    counts: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    low: float = np.inf
    high: float = 0.0

    def update(self, sizes: Floats) -> None:
        """Count numbers, shape (N,), infinities included."""
        plain = sizes[(sizes > 0) & (sizes < np.inf)]
        self.zeros += int(np.count_nonzero(sizes == 0))
        self.infinite += int(np.count_nonzero(np.isinf(sizes)))
        if not len(plain):
            return
        edge = OCTAVES * BINS_AN_OCTAVE
        bins = np.clip(np.rint(np.log2(plain) * BINS_AN_OCTAVE), -edge, edge).astype(np.int64)
        first = int(bins.min())
        self._add(first, np.bincount(bins - first))
        self.low, self.high = min(self.low, float(plain.min())), max(self.high, float(plain.max()))

    def merge(self, later: SizeHistogram) -> None:
        """Add the numbers of another."""
        self.zeros += later.zeros
        self.infinite += later.infinite
        self._add(later.first, later.counts)
        self.low, self.high = min(self.low, later.low), max(self.high, later.high)

    def percentile(self, share: float) -> float:
        """The smallest number that is no smaller than `share` of all; NaN where there is none."""
        total = self.zeros + self.infinite + int(self.counts.sum())
        if not total:
            return np.nan
        rank = max(1.0, share * total - 1e-9 * total)  # so that 0.05 of 20 is 1, not a little more
        if rank <= self.zeros:
            return 0.0
        below = self.zeros + np.cumsum(self.counts)
        place = int(np.searchsorted(below, rank))
        if place == len(below):
            return np.inf
        middle = 2.0 ** ((self.first + place) / BINS_AN_OCTAVE)
        return float(min(max(middle, self.low), self.high))

    def _add(self, first: int, counts: Ints) -> None:
        if not len(counts):
            return
        if not len(self.counts):
            self.first, self.counts = first, counts
            return
        start = min(first, self.first)
        stop = max(first + len(counts), self.first + len(self.counts))
        both = np.zeros(stop - start, np.int64)
        for at, part in ((self.first, self.counts), (first, counts)):
            both[at - start : at - start + len(part)] += part
        self.first, self.counts = start, both
