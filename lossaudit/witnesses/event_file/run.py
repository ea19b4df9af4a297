"""What was read of a run of records, one behind the other."""

from __future__ import annotations

from collections import Counter

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Bools, Floats, Ints, Storage

Single = tuple[str, float, Storage]
"""A tag, its value, and the width in which it was stored."""


class Group(Struct, frozen=True):
    """Events that have the same tags, all float32, in the same places.

    Attributes:
        members: shape (N,), increasing, N > 0: which events of the run they are.
        tags: the tags of an event.
        values: of each tag, shape (N,).
    """

    members: Ints
    tags: tuple[str, ...]
    values: list[Floats]

    def first(self, count: int) -> Group | None:
        """Those among the run's first `count` events, or None if there are none."""
        most = int(np.searchsorted(self.members, count))
        if most == 0:
            return None
        return Group(self.members[:most], self.tags, [v[:most] for v in self.values])


class Run(Struct, frozen=True):
    """The events of a run.

    Attributes:
        starts: shape (N,), the byte offset at which each begins.
        steps: shape (N,), their steps.
        grouped: shape (N,), whether an event is in one of the groups.
        groups: events that were decoded together.
        singles: the scalars of every other event that has some, by event.
    """

    starts: Ints
    steps: Ints
    grouped: Bools
    groups: list[Group]
    singles: dict[int, list[Single]]

    def counts(self) -> Ints:
        """Shape (N,): how many records each event makes: one that gives a tag twice makes two."""
        counts = self.grouped.astype(np.int64)
        for event, scalars in self.singles.items():
            counts[event] = max(Counter(tag for tag, _, _ in scalars).values())
        return counts

    def first(self, count: int) -> Run:
        """The first `count` events; `singles` holds no others."""
        groups = [g for group in self.groups if (g := group.first(count)) is not None]
        steps, grouped = self.steps[:count], self.grouped[:count]
        return Run(self.starts[:count], steps, grouped, groups, self.singles)
