"""The records of a torch.save file, found without unpacking anything.

torch.save writes a zip archive whose records are all stored as they are, so that every storage is
a stretch of the file. This reads the archive's directory alone and accepts nothing else: a
compressed record would be mapped as garbage (torch says nothing then), names that occur twice would
let two readers see two files, and overlapping records would be larger than the file.
Layout: PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.14 to 4.3.16.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct as Layout

from msgspec import Struct

from lossaudit.witnesses.replay.names import shown
from lossaudit.witnesses.replay.opened_file import OpenedFile

_END = Layout("<4s4H2IH")
_LOCATOR = Layout("<4sIQI")
_END_64 = Layout("<4sQ2H2I4Q")
_CENTRAL = Layout("<4s6H3I5H2I")
_LOCAL = Layout("<4s5H3I2H")

_LARGEST_DIRECTORY = 32 << 20
_LONGEST_NAME = 1000
_ENCRYPTED = 1


class Record(Struct, frozen=True):
    """A stretch of the file: its first byte and how many they are."""

    start: int
    size: int


class _Entry(Struct, frozen=True):
    """One entry of the directory."""

    name: str
    size: int
    header: int


def read_records(opened: OpenedFile) -> dict[str, Record]:
    """Name -> record, in the order of the directory.

    Raises:
        ValueError: if the archive is not exactly as torch.save writes one; the message says what.
    """
    start, size, count = _directory(opened)
    entries = list(_entries(opened.read(start, size)))
    if len(entries) != count:
        raise ValueError(f"its directory has {len(entries):,} records and claims {count:,}")
    records: dict[str, Record] = {}
    names: set[str] = set()
    end = 0
    for entry in sorted(entries, key=lambda e: e.header):
        name = entry.name.casefold()  # torch's reader finds names in any case
        if name in names:
            raise ValueError(f"the name {shown(entry.name)} occurs twice")
        names.add(name)
        record = _record(opened, entry)
        if entry.header < end:
            raise ValueError(f"the record {shown(entry.name)} overlaps the one before it")
        end = record.start + record.size
        if end > start:
            raise ValueError(f"the record {shown(entry.name)} does not fit into the file")
        records[entry.name] = record
    return records


def _directory(opened: OpenedFile) -> tuple[int, int, int]:
    """Where the directory begins, its bytes, and how many records it claims."""
    at = opened.size - _END.size
    if at < 0:
        raise ValueError("it is too short for a zip archive")
    mark, disk, first, here, count, size, start, comment = _END.unpack(opened.read(at, _END.size))
    if mark != b"PK\5\6" or comment:
        raise ValueError("it does not end as a zip archive does: it is cut, or has trailing bytes")
    if disk or first or here != count:
        raise ValueError("it is a part of a zip archive on several disks")
    is_wide = opened.read(max(at - _LOCATOR.size, 0), 4) == b"PK\6\7"
    if is_wide or 0xFFFF in (here, count) or 0xFFFFFFFF in (size, start):
        narrow = (size, start, count)
        at, size, start, count = _directory_64(opened, at)
        saturated = (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFF)
        both = zip(narrow, (size, start, count), saturated, strict=True)
        if any(one not in (other, most) for one, other, most in both):
            raise ValueError("its directory is described in two ways")
    if size > _LARGEST_DIRECTORY:
        raise ValueError(f"its directory claims {size:,} bytes")
    if start + size != at:
        raise ValueError("its directory is not where its end says")
    return start, size, count


def _directory_64(opened: OpenedFile, end: int) -> tuple[int, int, int, int]:
    """The same for archives over 4 GB: where the wide end begins, size, start and count."""
    at = end - _LOCATOR.size
    mark, _, wide, _ = _LOCATOR.unpack(opened.read(max(at, 0), _LOCATOR.size))
    if mark != b"PK\6\7" or wide + _END_64.size != at:
        raise ValueError("the wide end of its directory is missing")
    fields = _END_64.unpack(opened.read(wide, _END_64.size))
    if fields[0] != b"PK\6\6" or fields[6] != fields[7]:
        raise ValueError("the wide end of its directory is damaged")
    return wide, fields[8], fields[9], fields[7]


def _entries(directory: bytes) -> Iterator[_Entry]:
    at = 0
    while at < len(directory):
        if len(directory) - at < _CENTRAL.size:
            raise ValueError("its directory is cut")
        fields = _CENTRAL.unpack_from(directory, at)
        mark, flags, method = fields[0], fields[3], fields[4]
        stored, size, name_size, extra_size, comment_size = fields[8:13]
        header = fields[16]
        if mark != b"PK\1\2":
            raise ValueError("its directory is damaged")
        at += _CENTRAL.size
        name = _name(directory[at : at + name_size])
        at += name_size
        extra = directory[at : at + extra_size]
        at += extra_size + comment_size
        if method or flags & _ENCRYPTED:
            what = "encrypted" if flags & _ENCRYPTED else f"compressed (method {method})"
            raise ValueError(f"the record {shown(name)} is {what}; torch.save stores them all")
        size, stored, header = _widened(extra, size, stored, header)
        if size != stored:
            raise ValueError(
                f"the record {shown(name)} claims {size:,} bytes and stores {stored:,}"
            )
        yield _Entry(name, size, header)


def _name(raw: bytes) -> str:
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise ValueError(f"a record has the name {shown(raw)}") from None
    parts = name.split("/")
    is_sane = name.isprintable() and "\\" not in name and len(name) <= _LONGEST_NAME
    if not is_sane or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"a record has the name {shown(name)}")
    return name


def _widened(extra: bytes, *narrow: int) -> list[int]:
    """The same numbers, those that need more than 32 bits taken from the extra field."""
    wide, at = b"", 0
    while at + 4 <= len(extra):
        kind = int.from_bytes(extra[at : at + 2], "little")
        size = int.from_bytes(extra[at + 2 : at + 4], "little")
        if kind == 1:
            wide = extra[at + 4 : at + 4 + size]
        at += 4 + size
    found, position = [], 0
    for value in narrow:
        if value == 0xFFFFFFFF:
            if position + 8 > len(wide):
                raise ValueError("its directory lacks a wide size")
            value = int.from_bytes(wide[position : position + 8], "little")
            position += 8
        found.append(value)
    return found


def _record(opened: OpenedFile, entry: _Entry) -> Record:
    """Where the content begins: behind a header whose length only the header itself tells."""
    head = opened.read(entry.header, _LOCAL.size)
    if len(head) < _LOCAL.size or head[:4] != b"PK\3\4":
        raise ValueError(f"the record {shown(entry.name)} is not where the directory says")
    fields = _LOCAL.unpack(head)
    method, name_size, extra_size = fields[3], fields[9], fields[10]
    name = opened.read(entry.header + _LOCAL.size, name_size)
    if method or name != entry.name.encode():
        raise ValueError(f"the record {shown(entry.name)} is described in two ways")
    return Record(entry.header + _LOCAL.size + name_size + extra_size, entry.size)
