"""Reads record by record, verifies every CRC, and finds its way past damage."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from lossaudit.witnesses.event_file.framing import (
    HEADER,
    LONGEST_RECORD,
    OVERHEAD,
    read_length,
)
from lossaudit.witnesses.event_file.resync import Search
from lossaudit.witnesses.event_file.window import Window


class Unreadable(Struct, frozen=True):
    """A stretch that holds no readable record.

    Attributes:
        position: byte offset at which it begins.
        message: what is wrong there.
        partial_tail: the content ends inside what is so far a good record.
    """

    position: int
    message: str
    partial_tail: bool = False


def read_records(blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes] | Unreadable]:
    """Yield (byte offset, payload) for every good record, `Unreadable` for every stretch without.

    No more than two blocks and one record are held, and nothing that the content does not have.
    """
    window = Window(blocks)
    search = Search(window)
    position = 0
    while window.bytes_at(position, 1):
        begin = position
        found, position = read_record(window, search, begin)
        yield found if isinstance(found, Unreadable) else (begin, found)


def read_record(window: Window, search: Search, position: int) -> tuple[bytes | Unreadable, int]:
    """What lies at an offset inside the stream, and where reading goes on.

    After damage that is at the record's end if another record begins there, else at the next
    offset at which a header and its payload are both right.
    """
    length = read_length(window.bytes_at(position, HEADER))
    if length is None or not search.is_good(position, length):
        return _pass_damage(window, search, position)
    end = position + HEADER + length
    return window.bytes_at(position + HEADER, length), end + OVERHEAD - HEADER


def _pass_damage(window: Window, search: Search, position: int) -> tuple[Unreadable, int]:
    """What is wrong at an offset where no good record lies, and where reading goes on."""
    header = window.bytes_at(position, HEADER)
    if len(header) < HEADER:
        message = f"the file ends {len(header)} bytes into a record's header of {HEADER} bytes"
        return Unreadable(position, message, _may_be_header(header)), position + len(header)
    length = read_length(header)
    if length is None:
        wrong = "zeros" if header == bytes(HEADER) else repr(header)
        return _seek(window, search, position, f"{wrong} where a record's header should be")
    if length > LONGEST_RECORD:
        message = f"a record announces {length:,} bytes; at most {LONGEST_RECORD:,} are read"
        return _seek(window, search, position, message)
    size = length + OVERHEAD
    record = window.bytes_at(position, size)
    if len(record) < size:
        message = f"the file ends after {len(record):,} of a record's {size:,} bytes"
        return _seek(window, search, position, message, partial_tail=True)
    message = f"a record of {length:,} bytes whose data does not have the CRC stored with it"
    if length == 0:
        message = "a record of 0 bytes, which is no event"
    behind = window.bytes_at(position, size + HEADER)[size:]
    if len(behind) < HEADER or read_length(behind) is not None:
        return Unreadable(position, message), position + size
    return _seek(window, search, position, message)


def _may_be_header(start: bytes) -> bool:
    """Whether fewer than 12 bytes can begin a record's header: lengths are small, but not 0."""
    return not any(start[4:8]) and (len(start) < 4 or any(start[:4]))


def _seek(
    window: Window, search: Search, position: int, message: str, partial_tail: bool = False
) -> tuple[Unreadable, int]:
    """Look for the next good record behind `position`; damage reaches up to it, or to the end."""
    found = search.next_record(position + 1)
    if found is not None:
        message = f"{message}; {found - position:,} bytes are passed over"
        return Unreadable(position, message), found
    end = window.base + len(window.content)
    if not partial_tail:
        message = f"{message}; nothing can be read in the {end - position:,} bytes up to the end"
    return Unreadable(position, message, partial_tail), end
