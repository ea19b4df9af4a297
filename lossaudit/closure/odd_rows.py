"""Rows with something odd about a column, counted by a fold: it is missing, or not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from lossaudit.closure.decide import Block
from lossaudit.closure.rows import Rows
from lossaudit.model.table import Bools

TOTAL = "the total"


class OddRows(Struct, frozen=True):
    """Rows that have something in common.

    Attributes:
        count: how many.
        first, last: steps, or None.
        record: of the first.
        columns: names of the columns concerned, in the order met.
    """

    count: int = 0
    first: int | None = None
    last: int | None = None
    record: int = 0
    columns: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[int, int] | None:
        """First and last step, or None."""
        if self.first is None or self.last is None:
            return None
        return self.first, self.last

    @property
    def named(self) -> str:
        """The columns, as a message lists them."""
        listed = ", ".join(c if c == TOTAL else f"`{c}`" for c in self.columns[:4])
        return listed + (f" and {len(self.columns) - 4} more" if len(self.columns) > 4 else "")

    def merge(self, later: OddRows) -> OddRows:
        """Add rows that come after these."""
        if not self.count or not later.count:
            return self if self.count else later
        columns = tuple(dict.fromkeys((*self.columns, *later.columns)))
        return OddRows(self.count + later.count, self.first, later.last, self.record, columns)


NO_ROWS = OddRows()


def nonfinite_rows(rows: Rows, block: Block, terms: Sequence[str]) -> OddRows:
    """The rows of a block whose total or some term is there and not finite.

    A mean over a window that is not full yet is not there, and a row with one cannot be decided.
    """
    odd = {TOTAL: ~np.isfinite(block.total)}
    for name in terms:
        there = block.present[name] & block.decidable
        odd[name] = there & ~np.isfinite(block.columns[name].value)
    return _collect(rows, odd)


def lacking_rows(rows: Rows, block: Block, terms: Sequence[str]) -> OddRows:
    """The rows of a block that lack some term."""
    return _collect(rows, {name: ~block.present[name] for name in terms})


def _collect(rows: Rows, odd: Mapping[str, Bools]) -> OddRows:
    odd = {name: where for name, where in odd.items() if where.any()}
    if not odd:
        return NO_ROWS
    where = np.flatnonzero(np.logical_or.reduce(list(odd.values())))
    ends = int(rows.step[where[0]]), int(rows.step[where[-1]])
    return OddRows(len(where), *ends, int(rows.records[where[0]]), tuple(odd))
