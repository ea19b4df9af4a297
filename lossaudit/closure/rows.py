"""Log -> rows: the total and the terms of one step side by side, aligned arrays, block by block.

Where a file keeps them in one record, the record is the row. Where tags have records of their own
(event files), the k-th total of a step meets the k-th value of each term at that step; a step at
which their counts differ cannot be paired and stays undecided. A log may do both: a record that
holds the total and a term is always a pair, and what it holds is no other total's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.closure.keys import Keys
from lossaudit.closure.pairing import occurrences, pair, terms_apart, within_files
from lossaudit.model.log import Log
from lossaudit.model.table import Bools, Column, Floats, Ints, Table

BLOCK = 1 << 15
"""Rows that are worked on at a time: their columns stay in the processor's cache."""

NO_TERM = "a term is missing from the row"
NO_TOTAL = "a record holds every term and no total"


class Rows(Struct, frozen=True):
    """Aligned columns, one row per logged total.

    Attributes:
        step: shape (N,), as displayed; epoch: NaN where unknown.
        records: shape (N,), the log's record that holds the total.
        values: by tag (the total's too), shape (N,); NaN where missing.
        present: by tag, shape (N,).
        ambiguous: shape (N,), True where a repeated step could not be paired.
        known_steps: False where steps are mere row numbers.
        previous: the step of the row before the first of these; -1 at the start of the log.
        orphans: number of records that hold every term and no total.
        duplicates: number of totals whose step occurred before.
    """

    step: Ints
    epoch: Floats
    records: Ints
    values: Mapping[str, Floats]
    present: Mapping[str, Bools]
    ambiguous: Bools
    known_steps: bool
    previous: int = -1
    orphans: int = 0
    duplicates: int = 0

    def __len__(self) -> int:
        return len(self.step)

    @property
    def redrawn(self) -> Bools:
        """Which rows repeat the row before in step and all values, as a bar that is closed does."""
        if not len(self):
            return np.zeros(0, bool)
        same = self.step[1:] == self.step[:-1]
        for values in self.values.values():
            same = same & ((values[1:] == values[:-1]) | np.isnan(values[1:] + values[:-1]))
        return np.concatenate([[False], same])

    def part(self, chosen: Bools | slice) -> Rows:
        """Some of the rows; counts are not divided."""
        return replace(
            self,
            step=self.step[chosen],
            epoch=self.epoch[chosen],
            records=self.records[chosen],
            values={t: v[chosen] for t, v in self.values.items()},
            present={t: p[chosen] for t, p in self.present.items()},
            ambiguous=self.ambiguous[chosen],
        )


class Join(Struct, frozen=True):
    """Pairs each logged total with the terms of its step; its rows can be had again and again.

    Attributes:
        log: the log.
        total: tag of the total.
        terms: tags of the terms and logged weights.
        keys: the step of every record.
        duplicates: "all" keeps each occurrence of a repeated step as a row of its own; "first" or
            "last" keeps only that one.
        apart: the terms that have records of their own; all rows are then paired at once.
    """

    log: Log
    total: str
    terms: Sequence[str]
    keys: Keys
    duplicates: str = "all"
    apart: Sequence[str] = ()

    def rows(self) -> Iterator[Rows]:
        """One row per logged total that the policy keeps, in file order, in blocks.

        A block may be empty where only its `orphans` or `duplicates` say something.
        """
        previous = -1
        for stretch in self._stretches():
            for start in range(0, max(len(stretch), 1), BLOCK):
                rows = (
                    stretch.part(slice(start, start + BLOCK)) if len(stretch) > BLOCK else stretch
                )
                if start:
                    rows = replace(rows, orphans=0, duplicates=0)
                yield replace(rows, previous=previous)
                previous = int(rows.step[-1]) if len(rows) else previous

    def steps(self) -> Iterator[Ints]:
        """The steps of all totals, whatever the policy, a stretch at a time."""
        for first, table in self.log.stretches((self.total, *self.keys.columns)):
            if self.total in table.columns:
                yield self.keys.steps_of(first, table)[table.columns[self.total].records]

    @classmethod
    def of(
        cls, log: Log, total: str, terms: Sequence[str], keys: Keys, duplicates: str = "all"
    ) -> Join:
        """The join, once it was looked up which terms are apart."""
        return cls(log, total, terms, keys, duplicates, terms_apart(log, total, terms, keys.key))

    def _stretches(self) -> Iterator[Rows]:
        wanted = dict.fromkeys((self.total, *self.terms, *self.keys.columns))
        keep, repeated = self._policy()
        if self.apart:
            yield self._by_key(self.apart, list(wanted), keep, repeated)
            return
        at = 0
        for first, table in self.log.stretches(wanted):
            rows = self._by_record(first, table)
            if repeated is not None:
                part = slice(at, at + len(rows))
                at += len(rows)
                rows = replace(rows, duplicates=int(np.sum(repeated[part])))
                rows = rows if keep is None else rows.part(keep[part])
            yield rows

    def _by_record(self, first: int, table: Table, apart: Sequence[str] = ()) -> Rows:
        """A stretch whose records are its rows; terms that are `apart` are left out."""
        records = np.zeros(0, np.int64)
        if self.total in table.columns:
            records = table.columns[self.total].records
        values, present = {}, {}
        for tag in (t for t in (self.total, *self.terms) if t not in apart):
            values[tag], present[tag] = _in_records(table.columns.get(tag), records)
        return Rows(
            _at(self.keys.steps_of(first, table), records),
            _at(self.keys.epochs_of(table), records),
            records + first,
            values,
            present,
            np.zeros(len(records), bool),
            self.keys.known,
            orphans=0 if apart else _orphans(table, self.total, self.terms),
        )

    def _by_key(
        self,
        apart: Sequence[str],
        wanted: Collection[str],
        keep: Bools | None,
        repeated: Bools | None,
    ) -> Rows:
        """All rows at once, some of whose terms have records of their own."""
        table = self.log.whole(wanted)
        rows = self._by_record(0, table, apart)
        anchor, values, present = table.columns[self.total], dict(rows.values), dict(rows.present)
        ambiguous = np.zeros(len(rows), bool)
        key = self.keys.key if self.keys.key is not None else np.arange(self.log.records)
        for tag in apart:
            own = within_files(self.log.parts, table.columns[tag], anchor, key)
            values[tag], present[tag], unclear = pair(table.columns[tag], anchor, own)
            ambiguous |= unclear
        count = int(np.sum(repeated)) if repeated is not None else 0
        rows = replace(rows, values=values, present=present, ambiguous=ambiguous, duplicates=count)
        return rows if keep is None else rows.part(keep)

    def _policy(self) -> tuple[Bools | None, Bools | None]:
        """Over all totals: which are kept (None: all), and which repeat a step (None: none)."""
        if self.keys.key is None or not self.keys.known:
            return None, None
        records = np.concatenate(
            [
                first + table.columns[self.total].records
                for first, table in self.log.stretches((self.total,))
                if self.total in table.columns
            ]
        )
        key = self.keys.key[records]
        repeated = occurrences(key) > 0
        if self.duplicates == "first":
            return ~repeated, repeated
        if self.duplicates == "last":
            return occurrences(key[::-1])[::-1] == 0, repeated
        return None, repeated


def _at(values: np.ndarray, records: Ints) -> np.ndarray:
    return values if len(values) == len(records) else values[records]


def _orphans(table: Table, total: str, terms: Sequence[str]) -> int:
    """Records with every term and no total: a total that could not be read, or was left out."""
    distinct = set(terms)
    held = [table.columns[t].records for t in distinct if t in table.columns]
    totals = table.columns.get(total)
    if not distinct or len(held) < len(distinct):
        return 0
    if totals is not None and len(totals.records) == table.records:
        return 0
    counted = np.zeros(table.records, np.int64)
    for records in held:
        counted[records] += 1
    if totals is not None:
        counted[totals.records] = 0
    return int(np.sum(counted == len(distinct)))


def _in_records(column: Column | None, records: Ints) -> tuple[Floats, Bools]:
    """The column's value in each of `records`, and whether it has one."""
    if column is None or not len(column.records):
        return np.full(len(records), np.nan), np.zeros(len(records), bool)
    if column.records is records:
        return column.values, np.ones(len(records), bool)
    place = np.searchsorted(column.records, records)
    place = np.minimum(place, len(column.records) - 1)
    present = column.records[place] == records
    return np.where(present, column.values[place], np.nan), present
