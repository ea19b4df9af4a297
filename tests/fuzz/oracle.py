"""What must hold of a reader on any content whatever: no exception, sound tables, one reading.

The tests and the fuzzer share it. `examine` raises `AssertionError` where something does not hold.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import google_crc32c
import numpy as np

from lossaudit.model.table import Column, Damage, Table, Unread, concatenate
from lossaudit.witnesses import bulk
from lossaudit.witnesses.log import readers
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import HEAD

SIZES = (7, 64, 1000)
"""Bytes of a block; a real stream's first block holds the head, so it is never tiny."""

IN_BULK = ("csv", "json-lines")
"""Readers that parse large blocks at once; here they do so with small ones too."""

LEAST_FIRST = 4  # the longest byte order mark, and a magic number


@dataclass
class Pieces:
    """A stream of content that is at hand, in blocks of any size."""

    content: bytes
    size: int
    name: str = "log"
    damage: list[Damage] = field(default_factory=list)

    @property
    def head(self) -> bytes:
        return self.content[:HEAD]

    def path(self) -> None:
        """It has no name that another process could open."""

    def blocks(self) -> Iterator[bytes]:
        at, size = 0, max(self.size, LEAST_FIRST)
        while at < len(self.content):
            yield self.content[at : at + size]
            at, size = at + size, self.size


def examine(name: str, content: bytes, sizes: Sequence[int] = SIZES) -> None:
    """Read content with the reader of that name, whole, in blocks of each size, and in bulk."""
    reader = readers()[name]
    assert 0 <= reader.sniff(content[:HEAD], "log") <= 100
    for variant in variants(name, content):
        whole = read(reader, variant, max(len(variant), 1))
        if name != "parquet":  # which needs its whole file, and half a second for each
            for size in sizes:
                assert read(reader, variant, size) == whole, f"blocks of {size} bytes"
        if name in IN_BULK:
            with patch.object(bulk, "LEAST", 1):
                assert read(reader, variant, max(len(variant), 1)) == whole, "in bulk"


def variants(name: str, content: bytes) -> list[bytes]:
    """Content as it is, and for event files with checksums that are right: past the framing."""
    repaired = with_right_checksums(content) if name == "tensorboard" else content
    return [content] if repaired == content else [content, repaired]


def read(reader: Reader, content: bytes, size: int) -> tuple[Any, ...]:
    """All that a reader says of content, comparable."""
    tables, damage, unread = [], [], dict[str, tuple[int, int]]()
    for item in reader.read(Pieces(content, size), ReadOptions()):  # type: ignore[arg-type]
        if isinstance(item, Damage):
            is_sound_damage(item, len(content))
            damage.append(item)
        elif isinstance(item, Unread):
            is_sound_unread(item, len(content))
            count, line = unread.get(item.tag, (0, item.line))
            unread[item.tag] = (count + item.count, min(line, item.line))
        else:
            is_sound(item)
            tables.append(item)
    order = sorted(damage, key=lambda d: (d.position, d.message))
    return (described(concatenate(tables)) if tables else None), order, unread


def is_sound(table: Table) -> None:
    """What `Table` and `Column` promise."""
    assert table.source == "log"
    assert table.unit in ("line", "byte", "row")
    assert table.positions.dtype == np.int64
    assert (np.diff(table.positions) >= 0).all(), "positions fall"
    assert not table.records or table.positions[0] >= (0 if table.unit == "byte" else 1)
    if table.steps is not None:
        assert table.steps.dtype == np.int64
        assert len(table.steps) == table.records
    for tag, column in table.columns.items():
        assert column.tag == tag
        is_sound_column(column, table.records)


def is_sound_column(column: Column, records: int) -> None:
    assert column.values.dtype == np.float64
    assert column.records.dtype == np.int64
    assert column.values.shape == column.records.shape
    assert (np.diff(column.records) > 0).all(), "records do not rise"
    if len(column.records):
        assert column.records[0] >= 0
        assert column.records[-1] < records
    if column.decimals is not None:
        assert column.decimals[0] <= column.decimals[1]  # 1.2e5 has -4
    column.tag.encode("utf-8", "surrogatepass")


def is_sound_damage(damage: Damage, length: int) -> None:
    assert damage.source == "log"
    assert damage.message
    assert not damage.pending
    assert len(damage.message) < 1000
    assert 0 <= damage.position <= length + 1


def is_sound_unread(unread: Unread, length: int) -> None:
    assert unread.source == "log"
    assert unread.count > 0
    assert 1 <= unread.line <= length + 1


def described(table: Table) -> dict[str, Any]:
    """Every number with its place, to the bit; a NaN is a NaN."""
    found: dict[str, Any] = {"records": table.positions.tolist(), "unit": table.unit}
    found["steps"] = None if table.steps is None else table.steps.tolist()
    for tag, column in table.columns.items():
        values = np.where(np.isnan(column.values), np.nan, column.values)
        places = column.records.tolist()
        found["column " + tag] = (values.tobytes(), places, column.storage, column.decimals)
    return found


def with_right_checksums(content: bytes) -> bytes:
    """Event file framing over whatever is there: lengths that fit, and the CRCs that they need."""
    pieces, at = [], 0
    while len(content) - at >= 16:
        room = len(content) - at - 16
        length = struct.unpack_from("<Q", content, at)[0]
        length = length if length <= room else length % (room + 1)
        header = struct.pack("<Q", length)
        payload = content[at + 12 : at + 12 + length]
        pieces += [header, checksum(header), payload, checksum(payload)]
        at += length + 16
    return b"".join(pieces) + content[at:]


def checksum(content: bytes) -> bytes:
    value = google_crc32c.value(content)
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)
