"""A log's course for plots: thinned columns that keep the worst residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct, field

from lossaudit.model.table import Floats, Ints

MOST_POINTS = 240
_HELD = 4 * MOST_POINTS


class Series(Struct, frozen=True):
    """Aligned columns, all of shape (N,), in file order."""

    values: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))

    def at(self, chosen: Ints | slice) -> Series:
        """Some of the points."""
        return Series({name: column[chosen] for name, column in self.values.items()})

    def columns(self) -> dict[str, list[float]]:
        """As plain lists, for reports."""
        return {name: column.tolist() for name, column in self.values.items()}


def thin(parts: Sequence[Series]) -> Series:
    """Join stretches and keep at most 240 points: the worst residual of each bucket."""
    joined = join(parts)
    count = len(joined)
    if count <= MOST_POINTS:
        return joined
    edges = np.linspace(0, count, MOST_POINTS + 1).astype(np.int64)
    excess = _excess(joined)
    return joined.at(
        np.array([a + int(np.argmax(excess[a:b])) for a, b in pairwise(edges.tolist())])
    )


def join(parts: Sequence[Series]) -> Series:
    """Stretches one after the other, in the columns that all of them have."""
    filled = [p for p in parts if len(p)]
    if len(filled) < 2:
        return filled[0] if filled else Series()
    shared = [n for n in filled[0].values if all(n in p.values for p in filled)]
    return Series({n: np.concatenate([p.values[n] for p in filled]) for n in shared})


def _excess(points: Series) -> Floats:
    """|residual| / tolerance; NaN, which argmax takes for the largest, where that is no number."""
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.abs(points.values["residual"])
        excess /= points.values["tolerance"]
    return excess


def _worst(points: Series, width: int) -> Series:
    """Of every `width` points the one with the largest excess; their number divides evenly."""
    chosen = _excess(points).reshape(-1, width).argmax(axis=1)
    return points.at(chosen + width * np.arange(len(chosen)))


class SeriesFold(Struct):
    """The course of a log of any length: every point is the worst of `width` rows.

    The width doubles whenever there are too many points, so that early and late rows are shown
    alike. Rows that do not make a whole point yet are open: their worst is kept, and their number.
    """

    width: int = 1
    _points: list[Series] = field(default_factory=list)
    _count: int = 0
    _open: Series = field(default_factory=Series)
    _open_rows: int = 0

    def update(self, columns: Mapping[str, Floats]) -> None:
        """Take in the next rows: `residual`, `tolerance`, and whatever else is to be shown."""
        rows = Series(columns)
        while len(rows):
            # to close the open point may open another one, for the width doubles then
            whole = 0 if self._open_rows else len(rows) // self.width * self.width
            taken = whole or min(self.width - self._open_rows, len(rows))
            part, rows = rows.at(slice(taken)), rows.at(slice(taken, None))
            if whole:
                self._add(_worst(part, self.width) if self.width > 1 else part)
            else:
                self._leave_open(part, taken)

    def merge(self, later: SeriesFold) -> None:
        """Append the course of the rows that come after these."""
        theirs = SeriesFold(
            later.width, list(later._points), later._count, later._open, later._open_rows
        )
        for fold, other in ((self, theirs), (theirs, self)):
            while fold.width < other.width:
                fold._halve()
        self._points += [self._open, *theirs._points]  # an open point becomes one of its own
        self._count += len(self._open) + theirs._count
        self._open, self._open_rows = theirs._open, theirs._open_rows
        while self._count > _HELD:
            self._halve()

    def result(self) -> Series:
        """At most 240 points."""
        return thin([*self._points, self._open])

    def _leave_open(self, rows: Series, count: int) -> None:
        """Take rows into the open point, and close it when it is whole."""
        both = join([self._open, rows])
        self._open, self._open_rows = _worst(both, len(both)), self._open_rows + count
        if self._open_rows >= self.width:
            whole, self._open, self._open_rows = self._open, Series(), 0
            self._add(whole)

    def _add(self, points: Series) -> None:
        self._points.append(points)
        self._count += len(points)
        while self._count > _HELD:
            self._halve()

    def _halve(self) -> None:
        """Let every point stand for twice as many rows."""
        joined = join(self._points)
        even = len(joined) // 2 * 2
        last = joined.at(slice(even, None))
        if len(last):
            both = join([last, self._open])
            self._open, self._open_rows = _worst(both, len(both)), self.width + self._open_rows
        self.width *= 2
        self._points = [_worst(joined.at(slice(even)), 2)] if even else []
        self._count = even // 2
