"""First pass over the rows: shares, sizes and ratios, and how many rows there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field

from lossaudit.balance.ratios import RatioFold
from lossaudit.balance.sizes import SizeHistogram
from lossaudit.balance.terms import TermRows, WeightedTerms
from lossaudit.closure.shares import ShareHistograms, row_shares
from lossaudit.model.balance import Sign
from lossaudit.model.table import Bools


class Census(Struct):
    """A fold: what it keeps does not grow with the rows, and two of them merge.

    Args:
        terms: the formula.
        pairs: places of terms that are compared with each other.

    Attributes:
        rows: rows that count.
        left_out: reason -> rows that do not.
        shares: of the weighted terms.
        sizes: of the terms before their weights, one for each.
        ratios: one for each pair.
    """

    terms: WeightedTerms
    pairs: Sequence[tuple[int, int]] = ()
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    shares: ShareHistograms = field(default_factory=ShareHistograms)
    sizes: list[SizeHistogram] = field(default_factory=list)
    ratios: list[RatioFold] = field(default_factory=list)
    _positive: Bools = None  # type: ignore[assignment]  # __post_init__
    _negative: Bools = None  # type: ignore[assignment]  # __post_init__

    def __post_init__(self) -> None:
        count = len(self.terms.names)
        self.sizes = [SizeHistogram() for _ in range(count)]
        self.ratios = [RatioFold() for _ in self.pairs]
        self._positive, self._negative = np.zeros(count, bool), np.zeros(count, bool)

    def update(self, block: TermRows) -> None:
        """Take in a block of rows, in any order."""
        self.left_out.update(block.left_out)
        if not block.values.shape[1]:
            return
        self.rows += block.values.shape[1]
        weighted = block.values * self.terms.weights[:, None]
        self.shares.count(self.terms.names, row_shares(weighted))
        self._positive |= (weighted > 0).any(axis=1)
        self._negative |= (weighted < 0).any(axis=1)
        sizes = np.abs(block.values)
        for histogram, row in zip(self.sizes, sizes, strict=True):
            histogram.update(row)
        for (i, j), ratio in zip(self.pairs, self.ratios, strict=True):
            ratio.update(sizes[i], sizes[j])

    def merge(self, later: Census) -> None:
        """Add the rows of another census of the same formula."""
        self.rows += later.rows
        self.left_out.update(later.left_out)
        self.shares.merge(later.shares)
        for ours, theirs in zip(self.sizes, later.sizes, strict=True):
            ours.merge(theirs)
        for mine, other in zip(self.ratios, later.ratios, strict=True):
            mine.merge(other)
        self._positive |= later._positive
        self._negative |= later._negative

    def signs(self) -> list[Sign]:
        """Of each weighted term."""
        words: dict[tuple[bool, bool], Sign] = {
            (True, False): "positive",
            (False, True): "negative",
            (True, True): "mixed",
            (False, False): "zero",
        }
        ends = zip(self._positive.tolist(), self._negative.tolist(), strict=True)
        return [words[end] for end in ends]

    def by_size(self) -> list[int]:
        """Places of the terms, the one with the largest median share first."""
        shares = self.shares.result()
        order = [(-shares[n].p50, -shares[n].mean, i) for i, n in enumerate(self.terms.names)]
        return [i for _, _, i in sorted(order)]
