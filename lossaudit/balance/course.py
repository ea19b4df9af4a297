"""Second pass over the rows, once their number is known: the course, and other weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field

from lossaudit.balance.ratios import RatioFold
from lossaudit.balance.terms import TermRows, WeightedTerms
from lossaudit.balance.trend import trend_of
from lossaudit.closure.shares import ShareHistograms, row_shares
from lossaudit.model.balance import Course, Sign
from lossaudit.model.table import Floats, Ints

POINTS = 60
"""Stretches of equally many rows that a course is drawn from."""

DIGITS = 6
"""Decimals of a course's points: a share is nothing finer."""


class Plan(Struct, frozen=True):
    """What the second pass looks at.

    Attributes:
        rows: how many rows the first pass counted.
        pairs: places of terms that are compared with each other.
        variants: other weights of all terms, each of shape (terms,).
    """

    rows: int
    pairs: Sequence[tuple[int, int]] = ()
    variants: Sequence[Floats] = ()

    @property
    def tenth(self) -> int:
        """Rows in a tenth, at least one."""
        return -(-self.rows // 10)

    def bounds(self) -> Ints:
        """Row numbers at which a point of the course begins, and their end."""
        points = min(POINTS, self.rows)
        return np.arange(points + 1) * self.rows // points

    def edges(self) -> Ints:
        """`bounds`, and those of the first and the last tenth."""
        tenths = [self.tenth, self.rows - self.tenth]
        return np.unique(np.concatenate([self.bounds(), tenths])).astype(np.int64)


class CourseFold(Struct):
    """A fold over the rows in file order; folds over successive stretches of rows merge.

    Args:
        terms: the formula.
        plan: what to look at.
        at: number of the first row that it is going to see, counted over the whole log.
    """

    terms: WeightedTerms
    plan: Plan
    at: int = 0
    shares: list[ShareHistograms] = field(default_factory=list)
    ratios: list[RatioFold] = field(default_factory=list)
    _edges: Ints = None  # type: ignore[assignment]  # __post_init__
    _sums: Floats = None  # type: ignore[assignment]  # __post_init__

    def __post_init__(self) -> None:
        self.shares = [ShareHistograms() for _ in self.plan.variants]
        self.ratios = [RatioFold() for _ in self.plan.pairs]
        self._edges = self.plan.edges()
        self._sums = np.zeros((len(self.terms.names), len(self._edges) - 1))

    def update(self, block: TermRows) -> None:
        """Take in the next rows."""
        values = block.values
        if not values.shape[1]:
            return
        self._follow(row_shares(values * self.terms.weights[:, None]))
        for weights, histograms in zip(self.plan.variants, self.shares, strict=True):
            with np.errstate(over="ignore"):
                weighted = values * weights[:, None]
            histograms.update(self.terms.names, weighted)
        for (i, j), ratio in zip(self.plan.pairs, self.ratios, strict=True):
            ratio.update(np.abs(values[i]), np.abs(values[j]))

    def merge(self, later: CourseFold) -> None:
        """Append the rows of a fold with the same plan."""
        self._sums += later._sums
        self.at = later.at
        for ours, theirs in zip(self.shares, later.shares, strict=True):
            ours.merge(theirs)
        for mine, other in zip(self.ratios, later.ratios, strict=True):
            mine.merge(other)

    def courses(self, signs: Sequence[Sign]) -> dict[str, Course]:
        """By term."""
        bounds = np.searchsorted(self._edges, self.plan.bounds())
        points = np.add.reduceat(self._sums, bounds[:-1], axis=1) / np.diff(self.plan.bounds())
        tenth, last = self.plan.tenth, self.plan.rows - self.plan.tenth
        first = self._sums[:, : int(np.searchsorted(self._edges, tenth))].sum(axis=1) / tenth
        final = self._sums[:, int(np.searchsorted(self._edges, last)) :].sum(axis=1) / tenth
        return {
            name: Course(
                float(first[i]),
                float(final[i]),
                trend_of(points[i], float(final[i] - first[i])),
                tuple(np.round(points[i], DIGITS).tolist()),
                signs[i],
            )
            for i, name in enumerate(self.terms.names)
        }

    def _follow(self, shares: Floats) -> None:
        """Add shares, shape (terms, N), to the sums of the stretches that they belong to."""
        start, self.at = self.at, self.at + shares.shape[1]
        first = int(np.searchsorted(self._edges, start, side="right")) - 1
        last = int(np.searchsorted(self._edges, self.at, side="left"))
        inside = np.maximum(self._edges[first:last] - start, 0)
        self._sums[:, first:last] += np.add.reduceat(shares, inside, axis=1)
