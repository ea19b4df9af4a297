"""The records that will make up the next table."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter

import numpy as np

from lossaudit.model.table import Column, Floats, Ints, Storage, Table, coarsest
from lossaudit.witnesses.event_file.run import Group, Run, Single


class Stretch:
    """Collects runs.

    A record is an event that holds at least one scalar. An event that gives a tag twice makes two
    records at the same offset.

    Attributes:
        records: how many have been added.
    """

    def __init__(self) -> None:
        self.records = 0
        self._tags: dict[str, int] = {}
        self._storages: list[Storage] = []
        self._positions: list[Ints] = []
        self._steps: list[Ints] = []
        self._numbers: list[tuple[Ints, Ints, Floats]] = []

    def add(self, run: Run) -> None:
        """Add the records of a run."""
        self._add_tags(run)
        counts = np.zeros(len(run.starts), np.int64)
        for group in run.groups:
            counts[group.members] = 1
        for event, scalars in run.singles.items():
            counts[event] = max(Counter(tag for tag, _, _ in scalars).values())
        records = self.records + np.cumsum(counts) - counts
        self.records += int(counts.sum())
        self._positions.append(np.repeat(run.starts, counts))
        self._steps.append(np.repeat(run.steps, counts))
        for group in run.groups:
            self._add_group(group, records[group.members])
        self._add_singles(run.singles, records)

    def table(self, source: str) -> Table:
        """All that has been added."""
        tags, records, values = (np.concatenate(part) for part in zip(*self._numbers, strict=True))
        narrow = tags.astype(np.uint16) if len(self._tags) <= 1 << 16 else tags  # sorts faster
        order = np.argsort(narrow, kind="stable")
        if ((np.diff(records[order]) <= 0) & (np.diff(tags[order]) == 0)).any():
            order = np.lexsort((records, tags))
        records, values = records[order], values[order]
        bounds = np.searchsorted(tags[order], np.arange(len(self._tags) + 1)).tolist()
        columns = {}
        for tag, number in self._tags.items():
            mine = slice(bounds[number], bounds[number + 1])
            columns[tag] = Column(tag, values[mine], records[mine], self._storages[number])
        positions, steps = np.concatenate(self._positions), np.concatenate(self._steps)
        return Table(source, columns, positions, "byte", steps)

    def _add_tags(self, run: Run) -> None:
        """Number the tags in the order in which they come up."""
        seen: list[tuple[int, str, Storage]] = []
        for group in run.groups:
            for event, index in group.sightings():
                seen += ((event, tag, "float32") for tag in group.tags[index])
        for event, scalars in run.singles.items():
            seen += ((event, tag, storage) for tag, _, storage in scalars)
        seen.sort(key=itemgetter(0))
        for _, tag, storage in seen:
            number = self._tags.setdefault(tag, len(self._tags))
            if number == len(self._storages):
                self._storages.append(storage)
            elif storage != self._storages[number]:
                self._storages[number] = coarsest([storage, self._storages[number]])

    def _add_group(self, group: Group, records: Ints) -> None:
        numbers = np.zeros(len(group.tags), np.int64)
        for place, values in enumerate(group.values):
            for _, index in group.sightings():
                numbers[index] = self._tags[group.tags[index][place]]
            self._numbers.append((numbers[group.which], records, values))

    def _add_singles(self, singles: dict[int, list[Single]], records: Ints) -> None:
        tags, at, numbers = [], [], []
        for event, scalars in singles.items():
            seen: Counter[str] = Counter()
            for tag, value, _ in scalars:
                tags.append(self._tags[tag])
                at.append(int(records[event]) + seen[tag])
                numbers.append(value)
                seen[tag] += 1
        if tags:
            self._numbers.append((np.array(tags), np.array(at), np.array(numbers)))
