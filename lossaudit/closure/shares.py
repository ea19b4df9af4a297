"""How much of the total each weighted term makes up: histograms, which merge and stay small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field

from lossaudit.model.balance import Share
from lossaudit.model.table import Floats

BINS = 2000


def row_shares(weighted: Floats) -> Floats:
    """|w t| / sum of |w t| of each row; rows say nothing where the sum is 0 or overflows.

    Args:
        weighted: shape (terms, N), without NaN.

    Returns:
        Shape (terms, N) or fewer columns; each column adds up to 1.
    """
    sizes = np.abs(weighted)
    with np.errstate(over="ignore"):
        whole = sizes.sum(axis=0)
    if len(whole) and not (whole.min() > 0 and whole.max() < np.inf):
        kept = (whole > 0) & (whole < np.inf)
        sizes, whole = sizes[:, kept], whole[kept]
    sizes /= whole
    return sizes


class ShareHistograms(Struct):
    """|w t| / sum of |w t| over rows, one histogram over [0, 1] for each term."""

    counts: dict[str, Floats] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)

    def update(self, labels: Sequence[str], weighted: Floats) -> None:
        """Count rows; `weighted` is of shape (terms, N)."""
        self.count(labels, row_shares(weighted))

    def count(self, labels: Sequence[str], shares: Floats) -> None:
        """Count rows whose shares are known, shape (terms, N)."""
        if not shares.shape[1]:
            return
        for label, row in zip(labels, shares, strict=True):
            counts = np.bincount((row * BINS).astype(np.int64), minlength=BINS + 1)
            counts[BINS - 1] += counts[BINS]  # a share of 1
            self._add(label, counts[:BINS].astype(np.float64), float(row.sum()))

    def merge(self, later: ShareHistograms) -> None:
        """Add the counts of further rows."""
        for label, counts in later.counts.items():
            self._add(label, counts, later.sums[label])

    def result(self) -> dict[str, Share]:
        """Means, exact, and percentiles, exact to half a bin (0.00025)."""
        return {label: self._share(label) for label in self.counts}

    def _add(self, label: str, counts: Floats, total: float) -> None:
        self.counts[label] = self.counts.get(label, np.zeros(BINS)) + counts
        self.sums[label] = self.sums.get(label, 0.0) + total

    def _share(self, label: str) -> Share:
        counts = self.counts[label]
        ranks = np.cumsum(counts) / counts.sum()
        middles = (np.arange(BINS) + 0.5) / BINS
        percentiles = (float(middles[np.searchsorted(ranks, q - 1e-12)]) for q in (0.05, 0.5, 0.95))
        return Share(self.sums[label] / float(counts.sum()), *percentiles)
