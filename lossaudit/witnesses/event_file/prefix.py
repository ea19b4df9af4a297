"""What stands before an event's summary: the wall time and the step, as every writer puts them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Bools, Ints
from lossaudit.witnesses.event_file.rows import Rows

_WALL_TIME, _STEP = 0x09, 0x10  # the first bytes of these two fields
_MOST_STEP_BYTES = 10


class Prefix(Struct, frozen=True, dict=True):
    """Which of the two fields an event has, and how long they are.

    Attributes:
        wall_time: whether there is one.
        step_bytes: how long the step's varint is; 0 where there is none, as for step 0.
    """

    wall_time: bool
    step_bytes: int

    @cached_property
    def fixed(self) -> bytes:
        """The prefix with zeros for what varies."""
        wall_time = bytes([_WALL_TIME, *bytes(8)]) if self.wall_time else b""
        return wall_time + (bytes([_STEP, *bytes(self.step_bytes)]) if self.step_bytes else b"")

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.fixed)

    @property
    def varying(self) -> list[tuple[int, int]]:
        """(place, bytes) of the wall time and of the step."""
        return [(1, 8 if self.wall_time else 0), (self._step_at, self.step_bytes)]

    @property
    def _step_at(self) -> int:
        return self.size - self.step_bytes

    def is_at(self, rows: Rows, at: int) -> Bools:
        """Whether each row has this prefix at byte `at`."""
        found: Bools = (rows.column(at) == _WALL_TIME) == self.wall_time
        step_at = at + self._step_at
        if not self.step_bytes:
            found &= rows.column(step_at) != _STEP
            return found
        more = min(self.step_bytes, 7)  # a word holds the key and so many bytes of the step
        word = rows.words(step_at - 1) & np.uint64(0xFF | _repeated(0x80, more) << 8)
        last = more if more < self.step_bytes else more - 1
        found &= word == np.uint64(_STEP | _repeated(0x80, last) << 8)
        for place in range(step_at + more, at + self.size):
            found &= (rows.column(place) >= 0x80) == (place < at + self.size - 1)
        return found

    def steps(self, rows: Rows, at: int) -> Ints:
        """Shape (rows,): the steps of rows that have this prefix at byte `at`."""
        if not self.step_bytes:
            return np.zeros(len(rows), np.int64)
        step_at = at + self._step_at
        word = rows.words(step_at)
        steps = word & np.uint64(0x7F)
        for group in range(1, min(self.step_bytes, 8)):
            steps |= word >> np.uint64(group) & np.uint64(0x7F << 7 * group)
        for group in range(8, self.step_bytes):
            byte = rows.column(step_at + group).astype(np.uint64) & np.uint64(0x7F)
            steps |= byte << np.uint64(7 * group)
        return steps.view(np.int64)


def _repeated(byte: int, count: int) -> int:
    """A number of `count` equal bytes."""
    return int.from_bytes(bytes([byte]) * count, "little")


def read_prefix(payload: bytes) -> Prefix | None:
    """An event's prefix, or None if its step is no varint."""
    wall_time = payload[:1] == bytes([_WALL_TIME])
    at = 9 if wall_time else 0
    if payload[at : at + 1] != bytes([_STEP]):
        return Prefix(wall_time, 0)
    step = payload[at + 1 : at + 1 + _MOST_STEP_BYTES]
    for place, byte in enumerate(step):
        if byte < 0x80:
            return Prefix(wall_time, place + 1)
    return None
