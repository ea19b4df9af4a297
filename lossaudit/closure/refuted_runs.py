"""Violating rows folded into runs: neighbours among the decided rows, so that none is drawn twice.

A fold like the others: what it keeps does not grow with the log.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct, field

from lossaudit.model.result import StepRange
from lossaudit.model.table import Bools, Ints

MOST_RUNS = 100
"""The first ones are kept; an oscillating log may have one for every second row."""


class RefutedRuns(Struct):
    """Runs of refuted rows in file order; an undecided row between two does not part them."""

    _runs: list[StepRange] = field(default_factory=list)
    _dropped: bool = False
    _starts_refuted: bool | None = None
    _ends_refuted: bool = False

    def update(self, steps: Ints, decided: Bools, refuted: Bools) -> None:
        """Take in the next rows.

        Args:
            steps: shape (N,), as logged.
            decided, refuted: shape (N,).
        """
        if not decided.any():
            return
        if not refuted.any():
            self.merge(RefutedRuns([], False, False, False))
            return
        steps, refuted = steps[decided], refuted[decided]
        padded = np.concatenate([[False], refuted, [False]])
        turns = np.flatnonzero(padded[1:] != padded[:-1])[: 2 * MOST_RUNS + 2]
        runs = [
            StepRange(int(steps[a]), int(steps[b - 1]), b - a)
            for a, b in zip(turns[0::2].tolist(), turns[1::2].tolist(), strict=True)
        ]
        self.merge(RefutedRuns(runs, False, bool(refuted[0]), bool(refuted[-1])))

    def merge(self, later: RefutedRuns) -> None:
        """Append the runs of rows that come after these."""
        if later._starts_refuted is None:
            return
        theirs = list(later._runs)
        if self._ends_refuted and later._starts_refuted:
            joined, *theirs = theirs
            if not self._dropped:
                last = self._runs[-1]
                rows = last.rows + joined.rows
                self._runs[-1] = StepRange(last.first, joined.last, rows)
        if not self._dropped:
            self._runs += theirs
            self._dropped = later._dropped or len(self._runs) > MOST_RUNS
            del self._runs[MOST_RUNS:]
        if self._starts_refuted is None:
            self._starts_refuted = later._starts_refuted
        self._ends_refuted = later._ends_refuted

    def result(self) -> tuple[StepRange, ...]:
        """The first 100 runs."""
        return tuple(self._runs)
