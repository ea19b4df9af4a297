"""TensorBoard event files: the scalars of `events.out.tfevents.*`, and all that is damaged there.

TensorBoard's own loader drops the rest of a file at the first damage, and at debug level; this
reader names the byte and keeps every good record on both sides of it.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator

import numpy as np

from lossaudit.model.table import Column, Damage, Storage, Table
from lossaudit.witnesses.event_file.event import Scalar, decode_event, is_event, simple_layout
from lossaudit.witnesses.event_file.framing import HEADER, read_length
from lossaudit.witnesses.event_file.records import Unreadable, read_records
from lossaudit.witnesses.event_file.wire import MalformedError, read_varint, signed
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

_RECORDS_PER_TABLE = 200_000
_BYTES_PER_TABLE = 1 << 27  # a bound for tables of few records with long tags

_COARSER = ("float64", "float32", "float16", "bfloat16")

_WALL_TIME, _STEP = 0x09, 0x10  # the first bytes of these two fields
_SHORTEST = 11  # both, with a step of one byte

_read_float32 = struct.Struct("<f").unpack_from


class _Growing:
    """A column that is being read."""

    __slots__ = ("records", "storage", "values")

    def __init__(self, storage: Storage) -> None:
        self.values = array("d")
        self.records = array("q")
        self.storage = storage

    def append(self, value: float, record: int, storage: Storage) -> None:
        """Add a value; a column that mixes widths has the coarsest of them."""
        self.values.append(value)
        self.records.append(record)
        if storage != self.storage:
            self.storage = max(storage, self.storage, key=_COARSER.index)

    def column(self, tag: str) -> Column:
        """What has been read so far."""
        values = np.frombuffer(self.values, np.float64)
        return Column(tag, values, np.frombuffer(self.records, np.int64), self.storage)


class _Stretch:
    """The records that will make up the next table.

    A record is an event that holds at least one scalar. An event that gives a tag twice makes two
    records at the same offset.
    """

    def __init__(self) -> None:
        self.positions = array("q")
        self._steps = array("q")
        self._columns: dict[str, _Growing] = {}
        self._simple: dict[bytes, _Growing] = {}

    def add(self, position: int, payload: bytes) -> None:
        """Add the scalars of one event.

        Raises:
            MalformedError: if the payload is no event; nothing of it is added then.
        """
        at, step = _leading_step(payload)
        column = self._simple.get(payload[at:-4])
        if column is not None:
            column.append(_read_float32(payload, -4)[0], len(self.positions), "float32")
            self.positions.append(position)
            self._steps.append(step)
            return
        step, scalars = decode_event(payload)
        self._add_all(position, step, scalars)

    def _add_all(self, position: int, step: int, scalars: list[Scalar]) -> None:
        """Add one event as the general parser gave it."""
        first = len(self.positions)
        for tag, value, storage in scalars:
            name = tag.decode("utf-8", "replace")
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = _Growing(storage)
                if storage == "float32":
                    self._simple[simple_layout(tag)] = column
            record = column.records[-1] + 1 if column.records else first
            record = max(record, first)
            if record == len(self.positions):
                self.positions.append(position)
                self._steps.append(step)
            column.append(value, record, storage)

    def table(self, source: str) -> Table:
        """All that has been added."""
        columns = {tag: column.column(tag) for tag, column in self._columns.items()}
        positions, steps = (np.frombuffer(a, np.int64) for a in (self.positions, self._steps))
        return Table(source, columns, positions, "byte", steps)


def _leading_step(payload: bytes) -> tuple[int, int]:
    """Where an event's wall time and step end, as every writer puts them first, and the step.

    (0, 0) where something else stands there: then only `decode_event` can tell.
    """
    if len(payload) < _SHORTEST or payload[0] != _WALL_TIME:
        return 0, 0
    if payload[9] != _STEP:
        return 9, 0
    step = payload[10]
    if step < 0x80:
        return 11, step
    step, at = read_varint(payload, 10)
    return at, signed(step)


def _read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage]:
    stretch, begin = _Stretch(), 0
    for item in read_records(stream.blocks()):
        if isinstance(item, Unreadable):
            yield Damage(item.message, stream.name, item.position, "byte", item.partial_tail)
            continue
        position, payload = item
        try:
            stretch.add(position, payload)
        except MalformedError as error:
            message = f"a record of {len(payload):,} bytes is no event: {error}"
            yield Damage(message, stream.name, position, "byte")
        if len(stretch.positions) >= _RECORDS_PER_TABLE or position - begin >= _BYTES_PER_TABLE:
            if stretch.positions:
                yield stretch.table(stream.name)
            stretch, begin = _Stretch(), position
    if stretch.positions:
        yield stretch.table(stream.name)


def _sniff(head: bytes, name: str) -> int:
    for item in read_records(iter([head])):
        if not isinstance(item, Unreadable):
            if is_event(item[1]):
                return 100
            break
    if read_length(head[:HEADER]) is not None and is_event(head[HEADER:]):
        return 90  # the first record reaches beyond the head, or the file ends inside it
    if "tfevents" not in name:
        return 0
    if not head:
        return 50
    # Lengths have zeros in their upper bytes, text has none.
    return 60 if len(head) < HEADER or b"\0" in head[:HEADER] else 0


TENSORBOARD_EVENTS = Reader(
    name="tensorboard",
    summary="TensorBoard event files (events.out.tfevents.*), scalars of TF1, TF2 and torch",
    sniff=_sniff,
    read=_read,
)
