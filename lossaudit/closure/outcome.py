"""What the closure fold concludes, as values: tallies, violating rows, certified weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct, field

from lossaudit.closure.odd_rows import NO_ROWS, OddRows
from lossaudit.closure.rivals import Candidate
from lossaudit.closure.weight_fold import Stretch
from lossaudit.closure.weights import WeightBox
from lossaudit.model.balance import Share
from lossaudit.model.result import StepRange

ROUNDED_ROWS = 20
"""Rows that show whether residuals are those of rounding; fewer do not."""

BOTH_SIDES = 3.3
"""Standard deviations of a fair coin: more of them on one side come up once in a thousand times."""


class ViolatingRow(Struct, frozen=True):
    """One of the first rows that refute the declared formula."""

    record: int
    step: int
    total: float
    recomputed: float
    residual: float
    tolerance: float
    terms: Mapping[str, float]


class Tally(Struct, frozen=True):
    """How one formula fared.

    Attributes:
        decided, refuted, nonfinite: numbers of rows.
        sharp: 1 if some decided row's tolerance is below a quarter of its total, and what
            accumulating may have lost below a twentieth of its terms, else 0.
        accumulated: 1 if only the latter was missing on some row, else 0.
        first_refuted, last_refuted: steps, or None.
    """

    decided: int = 0
    refuted: int = 0
    nonfinite: int = 0
    sharp: int = 0
    accumulated: int = 0
    first_refuted: int | None = None
    last_refuted: int | None = None

    @property
    def decided_finite(self) -> int:
        """Decided rows but those on which just one side is finite, which refute any formula."""
        return self.decided - self.nonfinite

    @property
    def refuted_finite(self) -> int:
        """Refuted rows among those."""
        return self.refuted - self.nonfinite

    @property
    def steps(self) -> tuple[int, int] | None:
        """First and last refuted step, or None."""
        if self.first_refuted is None or self.last_refuted is None:
            return None
        return self.first_refuted, self.last_refuted

    def merge(self, later: Tally) -> Tally:
        """Add the counts of rows that come after these."""
        first = self.first_refuted if self.first_refuted is not None else later.first_refuted
        last = later.last_refuted if later.last_refuted is not None else self.last_refuted
        return Tally(
            self.decided + later.decided,
            self.refuted + later.refuted,
            self.nonfinite + later.nonfinite,
            max(self.sharp, later.sharp),
            max(self.accumulated, later.accumulated),
            first,
            last,
        )


class Leaning(Struct, frozen=True):
    """Rows that close only if terms of few round values were rounded when they were written.

    Attributes:
        above, below: rows whose total is above or below the recomputed one.
    """

    above: int = 0
    below: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.above + self.below

    @property
    def is_rounding(self) -> bool:
        """Whether so many lie on both sides that rounding explains them, and a wrong weight not."""
        return not self.rows or (
            self.rows >= ROUNDED_ROWS
            and abs(self.above - self.below) <= BOTH_SIDES * math.sqrt(self.rows)
        )

    def merge(self, later: Leaning) -> Leaning:
        """Add the rows that come after these."""
        return Leaning(self.above + later.above, self.below + later.below)


class Outcome(Struct, frozen=True):
    """The fold's result.

    Attributes:
        rows: totals seen. declared: the declared formula's tally. rivals: theirs, in order.
        undecided: reason -> rows. violations: the first ones.
        excused: rows that do not close as they were likely written, but would under `assumption`.
        steps: first and last step seen, or None.
        weights: names of the weights, their declared values, and the certified box or None.
        stretch: steps of the first and last row of the certified stretch, or None.
        correlated: pairs of terms that move together so closely that single weights cannot be told.
        shares: per weighted term. series: thinned columns for plots.
        stretches: of rows that some weights satisfy, in file order; one where all rows agree.
        duplicates: totals whose step occurred before.
        constants: terms that have one value on all decided rows, and that value.
        nonfinite: rows whose total or some term is NaN or infinite.
        lacking: rows that lack some term.
        rounded: decided rows on which the printed numbers do not add up as they stand, although
            rounding explains them; the first of them.
        runs: the first runs of refuted rows, neighbours among the decided ones.
        leaning: rows whose agreement rests on the rounding of terms that may be exact.
    """

    rows: int
    declared: Tally
    rivals: tuple[tuple[Candidate, Tally], ...]
    undecided: Mapping[str, int]
    excused: int
    assumption: str
    violations: tuple[ViolatingRow, ...]
    steps: tuple[int, int] | None
    weights: Mapping[str, float]
    box: WeightBox | None
    stretch: tuple[int, int] | None
    correlated: tuple[tuple[str, str, float], ...]
    shares: Mapping[str, Share]
    series: Mapping[str, list[float]]
    stretches: tuple[Stretch, ...] = ()
    duplicates: int = 0
    constants: Mapping[str, float] = field(default_factory=dict)
    nonfinite: OddRows = NO_ROWS
    lacking: OddRows = NO_ROWS
    rounded: int = 0
    first_rounded: ViolatingRow | None = None
    runs: tuple[StepRange, ...] = ()
    leaning: Leaning = Leaning()

    def fitting(self) -> tuple[Candidate, ...]:
        """Rivals that every finite row allows, where some finite row refutes the formula."""
        if not self.declared.refuted_finite:
            return ()
        least = self.declared.decided_finite
        return tuple(
            r for r, t in self.rivals if t.decided_finite >= least and not t.refuted_finite
        )
