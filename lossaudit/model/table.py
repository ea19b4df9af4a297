"""A stretch of a log as columns: what a reader gives. `model/log.py` joins them into a log.

There is no object per number. A `Column` holds the values of one tag; a `Table` holds the columns
of one stretch of a file and says where each of its records lies in that file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Storage = Literal["text", "float64", "float32", "float16", "bfloat16"]
"""How a file keeps its numbers: as decimal text, or in a binary format of that width."""

Unit = Literal["line", "byte", "row"]
"""What a position counts: lines from 1, byte offsets from 0, or data rows from 1."""


class Column(Struct, frozen=True):
    """The numbers of one tag, in the order in which they were written.

    Attributes:
        tag: the name as logged.
        values: shape (N,), NaN and infinities included as logged.
        records: shape (N,), strictly increasing: the table's record that holds each value.
        storage: how the file keeps the numbers.
        decimals: fewest and most digits after the decimal point that the text shows (trailing
            zeros count, `1e-3` counts as 3), or None where a reader did not look at the text.
    """

    tag: str
    values: Floats
    records: Ints
    storage: Storage = "text"
    decimals: tuple[int, int] | None = None

    def blocks(self) -> Iterator[Floats]:
        """All values, in one block; a whole log's column has one for each stretch."""
        yield self.values

    def has_finite(self) -> bool:
        """Whether any value is a finite number."""
        return bool(np.isfinite(self.values[:1]).any() or np.isfinite(self.values).any())


class Table(Struct, frozen=True):
    """The columns of one file, or of a stretch of it.

    Attributes:
        source: the file, as the user named it.
        columns: by tag.
        positions: shape (R,), where each record begins, in `unit`.
        unit: what `positions` count.
        steps: shape (R,), the step that the format itself gives each record (event files), or
            None where a step is a column like any other.
    """

    source: str
    columns: Mapping[str, Column]
    positions: Ints
    unit: Unit = "line"
    steps: Ints | None = None

    @property
    def records(self) -> int:
        """How many records the table holds."""
        return len(self.positions)


class Damage(Struct, frozen=True):
    """A stretch of a file that could not be read; the records around it were kept.

    Attributes:
        message: what is wrong there, the offending value in it.
        source: the file, as the user named it.
        position: line from 1 or byte offset from 0.
        unit: which of the two.
        partial_tail: True for an incomplete last record, which a live writer leaves too.
        pending: True for such a record of a file that grew while it was read: its rest is to come.
    """

    message: str
    source: str
    position: int
    unit: Unit = "line"
    partial_tail: bool = False
    pending: bool = False


class Unread(Struct, frozen=True):
    """A tag that some lines of text name without a number that could be read.

    Attributes:
        tag: the name as logged.
        count: how many lines.
        source: the file, as the user named it.
        line: the first of them.
    """

    tag: str
    count: int
    source: str
    line: int


class Change(Struct, frozen=True):
    """What happened to a file while it was read.

    Attributes:
        message: what, and how much of the file was read.
        source: the file, as the user named it.
        grew: True where the file only became longer, as a log does in training.
    """

    message: str
    source: str
    grew: bool = False


def concatenate(tables: Sequence[Table]) -> Table:
    """Join stretches of one log, in order, into one table.

    Records are renumbered so that they count through; a tag that is missing from a stretch simply
    has no values there, and one that changes its storage has the coarsest of them. The source and
    the unit are those of the first stretch.

    Raises:
        ValueError: if `tables` is empty.
    """
    if len(tables) == 1:
        return tables[0]
    first = tables[0]
    offsets = np.cumsum([0, *(t.records for t in tables)])
    tags = list(dict.fromkeys(tag for t in tables for tag in t.columns))
    columns = {}
    for tag in tags:
        parts = [
            (t.columns[tag], o) for t, o in zip(tables, offsets, strict=False) if tag in t.columns
        ]
        shown = [p.decimals for p, _ in parts if p.decimals is not None]
        unseen = [p for p, _ in parts if p.decimals is None and p.has_finite()]
        columns[tag] = Column(
            tag,
            np.concatenate([p.values for p, _ in parts]),
            np.concatenate([p.records + o for p, o in parts]),
            coarsest([p.storage for p, _ in parts]),
            (min(d[0] for d in shown), max(d[1] for d in shown)) if shown and not unseen else None,
        )
    steps = None
    if first.steps is not None:
        steps = np.concatenate([t.steps for t in tables if t.steps is not None])
    positions = np.concatenate([t.positions for t in tables])
    return Table(first.source, columns, positions, first.unit, steps)


def coarsest(storages: Sequence[Storage]) -> Storage:
    """The storage that loses most, of those that a column has had."""
    order: tuple[Storage, ...] = ("bfloat16", "float16", "float32", "float64", "text")
    return min(storages, key=order.index)
