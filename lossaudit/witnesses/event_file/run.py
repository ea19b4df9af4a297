"""What was read of a run of records, one behind the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lossaudit.model.table import Floats, Ints, Storage

Single = tuple[str, float, Storage]


@dataclass(frozen=True, slots=True)
class Group:
    """Events whose numbers stand in the same places.

    Attributes:
        members: shape (N,), increasing: which events of the run they are.
        which: shape (N,), the index in `tags` of each event's tags.
        tags: the tags of an event, by place.
        values: by place, shape (N,): the float32 numbers there.
    """

    members: Ints
    which: NDArray[np.intp]
    tags: list[tuple[str, ...]]
    values: list[Floats]

    def sightings(self) -> list[tuple[int, int]]:
        """(event, index in `tags`) of the first event of each index that there is."""
        first = np.full(len(self.tags), -1, np.int64)
        first[self.which[::-1]] = self.members[::-1]  # of equal indices the last one counts
        seen = np.flatnonzero(first >= 0)
        return list(zip(first[seen].tolist(), seen.tolist(), strict=True))

    def first(self, count: int) -> Group:
        """Those among the run's first `count` events."""
        most = int(np.searchsorted(self.members, count))
        values = [v[:most] for v in self.values]
        return replace(self, members=self.members[:most], which=self.which[:most], values=values)


@dataclass(frozen=True, slots=True)
class Run:
    """The events of a run.

    Attributes:
        starts: shape (N,), the byte offset at which each begins.
        steps: shape (N,), their steps.
        groups: events that were decoded together.
        singles: (tag, value, storage) of every other event that has scalars, by event.
    """

    starts: Ints
    steps: Ints
    groups: list[Group]
    singles: dict[int, list[Single]]
