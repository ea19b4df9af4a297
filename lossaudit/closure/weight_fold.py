"""Certified weights of a log of any length: rows come in blocks, and only those that bind stay.

Up to 65,536 rows of up to four weights are kept, fewer of more, and their box is exact. Beyond
that the fold holds the rows that bind and the ends of the box; a block none of whose rows exclude
an end changes nothing, and as long as the middle of the box satisfies a block, its ends are sought
anew only at the 1st, 4th, 16th ... block and at the end. The box of a long log is therefore an
outer bound: no row that was kept refutes it, and it holds every weight that no row of the log
refutes.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct, field

from lossaudit.closure.program import MOST_ROUNDS, SLACK, Box, WeightRows, box_of, joined, largest
from lossaudit.closure.weights import MOST_STRETCHES, WeightBox, longest_prefix, stretches
from lossaudit.model.table import Bools, Ints
from lossaudit.numerics.distinct import distinct

EXACT = 1 << 18
"""Numbers of rows that are kept as they are, one for each weight of a row."""

ROWS_A_BLOCK = 8
"""Rows that a block adds to those that bind, for each end of the box that it excludes."""

MOST_BINDING = 4096


class Stretch(Struct, frozen=True):
    """A stretch of rows that some weights satisfy.

    Attributes:
        box: its weights; start and stop count the rows that were weighed.
        first, last: the steps of its first and last row.
    """

    box: WeightBox
    first: int
    last: int

    def __len__(self) -> int:
        return len(self.box)


class WeightFold(Struct):
    """Collects rows as inequalities in the weights; see the module's docstring.

    Attributes:
        count: rows so far.
    """

    exact: int = EXACT
    count: int = 0
    _rows: list[WeightRows] = field(default_factory=list)
    _steps: list[Ints] = field(default_factory=list)
    _start: int = 0
    _box: Box | None = None
    _binding: WeightRows | None = None
    _blocks: int = 0
    _stale: bool = False
    _ends: tuple[int, int] = (0, 0)
    _closed: list[Stretch] = field(default_factory=list)

    def update(self, rows: WeightRows, steps: Ints) -> None:
        """Take in the next rows and their steps."""
        if not len(rows):
            return
        self.count += len(rows)
        if len(self._closed) >= MOST_STRETCHES:
            return
        if self._box is None:
            self._rows.append(rows)
            self._steps.append(steps)
            if self._held() > self.exact:
                self._condense()
        else:
            self._extend(rows, steps)

    def merge(self, later: WeightFold) -> None:
        """Append the state of a fold over rows that come after these.

        Rows that both kept are kept, and so are those that bind two stretches which some weights
        satisfy; other stretches stay apart.
        """
        if self._box is None and later._box is None and not later._closed:
            self._rows += later._rows
            self._steps += later._steps
            self.count += later.count
            if self._held() > self.exact:
                self._condense()
            return
        if not self._closed and not later._closed and self._joins(later):
            return
        moved = [_moved(s, self.count) for s in later.result()]
        self._closed = [*self.result(), *moved]
        self.count += later.count
        self._rows, self._steps, self._box, self._start = [], [], None, self.count

    def result(self) -> list[Stretch]:
        """Stretches of rows that some weights satisfy, in file order; one where all rows agree."""
        found = list(self._closed)
        if self._box is not None:
            self._settle()
            found.append(self._current(self.count))
        elif self._rows:
            steps = np.concatenate(self._steps)
            for box in stretches(joined(self._rows)):
                ends = int(steps[box.start]), int(steps[box.stop - 1])
                found.append(_moved(Stretch(box, *ends), self._start))
        if len(found) == 1 and len(found[0]) == self.count:
            return [_complete(found[0])]
        return found

    def _joins(self, later: WeightFold) -> bool:
        """Go on with the stretch over all rows of a later one; False where they disagree."""
        if self._binding is None or later._binding is None:
            return False
        binding = joined([self._binding, later._binding])
        box = box_of(binding)
        if box is None:
            return False
        self._binding, self._box, self._stale = binding, box, False
        self._ends = self._ends[0], later._ends[1]
        self.count += later.count
        self._blocks += later._blocks
        return True

    def _held(self) -> int:
        """Numbers in the rows that are kept."""
        return sum(rows.terms.size for rows in self._rows)

    def _current(self, stop: int) -> Stretch:
        assert self._box is not None
        box = WeightBox(self._box.low, self._box.high, self._start, stop, False)
        return Stretch(box, *self._ends)

    def _condense(self) -> None:
        """Keep of the rows held only those that bind; where they disagree, close a stretch."""
        rows, steps = joined(self._rows), np.concatenate(self._steps)
        while len(rows) and len(self._closed) < MOST_STRETCHES:
            self._box = box_of(rows)
            if self._box is not None:
                self._binding = rows.part(_chosen(self._box.binding, len(rows)))
                self._ends = int(steps[0]), int(steps[-1])
                self._rows, self._steps, self._blocks = [], [], 0
                return
            length = longest_prefix(rows)
            if length:
                self._box = box_of(rows.part(slice(0, length)))
            if self._box is not None:
                self._ends = int(steps[0]), int(steps[length - 1])
                self._closed.append(self._current(self._start + length))
            length = max(length, 1)
            rows, steps = rows.part(slice(length, None)), steps[length:]
            self._start += length
        self._box, self._rows, self._steps = None, [], []

    def _extend(self, rows: WeightRows, steps: Ints) -> None:
        """Go on with the stretch over further rows, up to where some row disagrees."""
        assert self._binding is not None
        assert self._box is not None
        before = self._binding
        self._blocks += 1
        for _ in range(MOST_ROUNDS):
            excluded, worst = self._excluded(rows)
            if not len(worst):
                break
            self._binding = joined([self._binding, rows.part(worst)])
            if self._may_wait(rows):
                self._stale = True
                break
            box = box_of(self._binding, self._box, None if self._stale else excluded)
            if box is None:
                self._break(before, rows, steps)
                return
            self._box, self._stale = box, False
        if len(self._binding) > MOST_BINDING:
            self._condense_binding()
        self._ends = self._ends[0], int(steps[-1])

    def _may_wait(self, rows: WeightRows) -> bool:
        """Whether the ends of the box need not be sought after this block: see the module."""
        assert self._box is not None
        due = self._blocks.bit_count() == 1 and self._blocks.bit_length() % 2 == 1
        return not due and rows.are_satisfied_by(self._box.middle)

    def _settle(self) -> None:
        """Bring the box up to date with the rows that bind."""
        if self._stale and self._binding is not None:
            self._box = box_of(self._binding, self._box, None) or self._box
            self._stale = False

    def _excluded(self, rows: WeightRows) -> tuple[Bools, Ints]:
        """Which ends of the box the rows exclude, and the rows that exclude one by most."""
        assert self._box is not None
        with np.errstate(all="ignore"):  # an unbounded end is huge, and times 0 no number
            reach = ((1 + SLACK) * np.abs(self._box.ends)) @ rows.spread.T
            reach += (1 + SLACK) * rows.slack
            excess = self._box.ends @ rows.terms.T
            excess -= rows.total
            np.abs(excess, out=excess)
            excess -= reach
        excluded = np.fmax.reduce(excess, axis=1) > 0
        worst = [np.zeros(0, np.int64)]
        for end in excess[excluded]:
            beyond = np.flatnonzero(end > 0)
            worst.append(beyond[largest(end[beyond], ROWS_A_BLOCK)])
        return excluded, distinct(np.concatenate(worst))

    def _condense_binding(self) -> None:
        """Forget the rows that no end of the box needs."""
        assert self._binding is not None
        box = box_of(self._binding, self._box, None)
        if box is not None:
            self._box, self._stale = box, False
            self._binding = self._binding.part(_chosen(box.binding, len(self._binding)))

    def _break(self, before: WeightRows, rows: WeightRows, steps: Ints) -> None:
        """Close the stretch before the first row that disagrees with it, and begin another."""
        length = longest_prefix(rows, before)
        together = before if not length else joined([before, rows.part(slice(0, length))])
        self._box = box_of(together) or self._box
        last = int(steps[length - 1]) if length else self._ends[1]
        self._ends = self._ends[0], last
        stop = self.count - len(rows) + length
        self._closed.append(self._current(stop))
        self._start, self._box, self._binding, self._stale = stop, None, None, False
        self._rows, self._steps = [rows.part(slice(length, None))], [steps[length:]]


def _chosen(binding: Ints, count: int) -> np.ndarray:
    chosen = np.zeros(count, bool)
    chosen[binding] = True
    return chosen


def _moved(stretch: Stretch, by: int) -> Stretch:
    box = stretch.box
    moved = WeightBox(box.low, box.high, box.start + by, box.stop + by, box.complete and not by)
    return Stretch(moved, stretch.first, stretch.last)


def _complete(stretch: Stretch) -> Stretch:
    box = stretch.box
    return Stretch(WeightBox(box.low, box.high, box.start, box.stop, True), *_ends(stretch))


def _ends(stretch: Stretch) -> tuple[int, int]:
    return stretch.first, stretch.last
