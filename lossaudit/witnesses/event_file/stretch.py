"""The records that will make up the next table."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter

import numpy as np

from lossaudit.model.table import Column, Floats, Ints, Storage, Table, coarsest
from lossaudit.witnesses.event_file.run import Run, Single


class _Growing:
    """A column that is being read."""

    __slots__ = ("records", "storage", "values")

    def __init__(self, storage: Storage) -> None:
        self.records: list[Ints] = []
        self.values: list[Floats] = []
        self.storage = storage

    def add(self, records: Ints, values: Floats) -> None:
        """Add values; not always in the order of their records."""
        self.records.append(records)
        self.values.append(values)

    def column(self, tag: str) -> Column:
        """What has been added so far."""
        records, values = np.concatenate(self.records), np.concatenate(self.values)
        if (records[1:] <= records[:-1]).any():
            order = np.argsort(records)
            records, values = records[order], values[order]
        return Column(tag, values, records, self.storage)


class Stretch:
    """Collects runs.

    A record is an event that holds at least one scalar. An event that gives a tag twice makes two
    records at the same offset.

    Attributes:
        records: how many have been added.
    """

    def __init__(self) -> None:
        self.records = 0
        self._columns: dict[str, _Growing] = {}
        self._positions: list[Ints] = []
        self._steps: list[Ints] = []

    def add(self, run: Run) -> None:
        """Add the records of a run."""
        self._add_columns(run)
        records, positions, steps = self._number(run)
        self.records += len(positions)
        self._positions.append(positions)
        self._steps.append(steps)
        for group in run.groups:
            mine = records[group.members]
            for tag, values in zip(group.tags, group.values, strict=True):
                self._columns[tag].add(mine, values)
        self._add_singles(run.singles, records)

    def table(self, source: str) -> Table:
        """All that has been added."""
        columns = {tag: column.column(tag) for tag, column in self._columns.items()}
        positions, steps = np.concatenate(self._positions), np.concatenate(self._steps)
        return Table(source, columns, positions, "byte", steps)

    def _number(self, run: Run) -> tuple[Ints, Ints, Ints]:
        """The first record that each event makes, and the positions and steps of all records."""
        if run.grouped.all():  # as mostly: one record each
            records = np.arange(self.records, self.records + len(run.starts))
            return records, run.starts, run.steps
        counts = run.counts()
        records = self.records + np.cumsum(counts) - counts
        return records, np.repeat(run.starts, counts), np.repeat(run.steps, counts)

    def _add_columns(self, run: Run) -> None:
        """Make columns, in the order in which their tags come up."""
        seen: list[tuple[int, str, Storage]] = []
        for group in run.groups:
            seen += ((int(group.members[0]), tag, "float32") for tag in group.tags)
        for event, scalars in run.singles.items():
            seen += ((event, tag, storage) for tag, _, storage in scalars)
        seen.sort(key=itemgetter(0))
        for _, tag, storage in seen:
            column = self._columns.get(tag)
            if column is None:
                self._columns[tag] = _Growing(storage)
            elif column.storage != storage:
                column.storage = coarsest([storage, column.storage])

    def _add_singles(self, singles: dict[int, list[Single]], records: Ints) -> None:
        added: dict[str, tuple[list[int], list[float]]] = {}
        for event, scalars in singles.items():
            first, seen = int(records[event]), Counter[str]()
            for tag, value, _ in scalars:
                mine, values = added.setdefault(tag, ([], []))
                mine.append(first + seen[tag])
                values.append(value)
                seen[tag] += 1
        for tag, (mine, values) in added.items():
            self._columns[tag].add(np.array(mine, np.int64), np.array(values, np.float64))
