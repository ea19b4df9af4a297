"""JSON lines: one object per line, such as mmcv, detectron2 and many a training loop write."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import numpy as np

from lossaudit.model.table import Column, Damage, Table
from lossaudit.witnesses.bulk import parsed_blocks
from lossaudit.witnesses.columns import STRETCH, TableBuilder
from lossaudit.witnesses.json_block import JsonRows, read_block
from lossaudit.witnesses.json_records import (
    MalformedError,
    RefusedError,
    largest_arrays,
    longest_list,
    numbers_of,
    parse_json,
)
from lossaudit.witnesses.json_text import keeps_zeros, shown_decimals
from lossaudit.witnesses.lines import utf8_head
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import HEAD, LogStream

_Row = tuple[int, dict[str, float]]

_decoder = msgspec.json.Decoder()

_SNIFFED = 20
_SHOWN = 40


def sniff(head: bytes, name: str) -> int:
    """Objects on lines of their own; a single object counts unless it holds a list of records."""
    text = utf8_head(head)
    lines = text.split(b"\n")
    cut = len(head) >= HEAD or not text.endswith(b"\n")
    whole = [line for line in lines[: -1 if cut else None] if line.strip()]
    last = lines[-1] if cut else b""
    kinds = [_kind(line) for line in whole[:_SNIFFED]]
    if len(whole) < _SNIFFED and last.strip() and (len(head) < HEAD or not whole):
        kinds.append(_kind(last))
    objects = sum(kind in ("record", "document") for kind in kinds)
    if not objects:
        return 30 if not whole and _starts_record(last) else 0
    if kinds == ["document"]:
        return 0
    return 85 if objects == len(kinds) else 70 if 2 * objects >= len(kinds) else 20


def _starts_record(line: bytes) -> bool:
    """Whether a line that is cut could be an object of scalars."""
    return line.lstrip().startswith(b'{"') and b"[" not in line


def _kind(line: bytes) -> str:
    """ "record" for an object, "document" for one that holds a list of records, or ""."""
    if not line.lstrip().startswith(b"{"):
        return ""
    try:
        value = parse_json(line.decode("utf-8", "replace"))
    except RefusedError:
        return ""
    return "document" if longest_list(value) or largest_arrays(value) else "record"


def read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage]:
    """Read one object per line; positions are line numbers.

    Inner objects become "outer.inner". Numbers are float64, strings that hold a number too.
    Blank lines and objects without numbers are no records. A line that is not JSON, that repeats a
    key or holds an integer of over 4300 digits is left out and reported. `decimals` stays None
    where nothing shows that the writer chose them (see `lossaudit.witnesses.json_text`).
    """
    builder, formatted = TableBuilder(), keeps_zeros(stream.head)
    for block in parsed_blocks(stream, partial(read_block, formatted=formatted)):
        if isinstance(block, Damage):
            yield block
            continue
        if block.parsed is not None:
            if len(builder):
                yield builder.build(stream.name)
            yield _table(block.line, block.parsed, stream.name)
            continue
        rows = _read_fast(block.line, block.text)
        if rows is None:
            rows = []
            for item in _read_each(block.line, block.text, stream.name):
                if isinstance(item, Damage):
                    yield item
                else:
                    rows.append(item)
        if formatted:
            _add_shown(builder, block.line, block.text, rows)
        else:
            builder.add_records(rows)
        if len(builder) >= STRETCH:
            yield builder.build(stream.name)
    if len(builder):
        yield builder.build(stream.name)


def _table(first: int, rows: JsonRows, source: str) -> Table:
    every = np.arange(rows.count, dtype=np.int64)
    columns = {
        tag: Column(tag, values, every, decimals=rows.decimals.get(tag))
        for tag, values in rows.columns.items()
    }
    return Table(source, columns, first + every)


def _add_shown(builder: TableBuilder, first: int, block: bytes, rows: list[_Row]) -> None:
    """Add records with the digits that their numbers show."""
    lines = block.split(b"\n")
    for line, numbers in rows:
        builder.begin(line)
        shown = shown_decimals(lines[line - first])
        for tag, value in numbers.items():
            builder.add(tag, value, shown.get(tag))


def _read_fast(first: int, block: bytes) -> list[_Row] | None:
    """All records of a block, or None if it holds anything but one plain object per line."""
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    # "}" newline "{" stands only between objects, so that many of them pin one object to a line.
    if not block.startswith(b"{") or block.count(b"}\n{") + block.count(b"}\r\n{") != lines - 1:
        return None
    try:
        records = _decoder.decode_lines(block)
        if len(records) != lines:
            return None
        found = [numbers_of(record) for record in records]
    except (ValueError, RecursionError, RefusedError):
        return None
    if block.count(b'"') != sum(quotes for _, quotes in found):
        return None  # an escaped quotation mark, or a repeated key, which msgspec lets pass
    return [(line, numbers) for line, (numbers, _) in enumerate(found, first) if numbers]


def _read_each(first: int, block: bytes, source: str) -> Iterator[_Row | Damage]:
    """The records of a block, line by line, and what is wrong with the others."""
    lines = block.split(b"\n")
    unfinished = lines.pop() if block.endswith(b"\n") else None
    for line, text in enumerate(lines, first):
        if not text.strip():
            continue
        try:
            if numbers := _read_line(text):
                yield line, numbers
        except MalformedError as error:
            tail = unfinished is None and line == first + len(lines) - 1
            message = f"{error} of {_excerpt(text)}"
            yield Damage(message, source, line, partial_tail=tail)
        except RefusedError as error:
            yield Damage(str(error), source, line)


def _read_line(line: bytes) -> dict[str, float]:
    try:
        record: Any = _decoder.decode(line)
        if isinstance(record, dict):
            numbers, quotes = numbers_of(record)
            if quotes == line.count(b'"'):
                return numbers
    except (ValueError, RecursionError, RefusedError):
        pass  # the general parser below accepts more, and says what it does not accept
    record = parse_json(line.decode("utf-8", "replace").rstrip("\r"))
    if not isinstance(record, dict):
        raise RefusedError(f"not an object: {_excerpt(line)}")
    return numbers_of(record)[0]


def _excerpt(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rstrip("\r")
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


JSON_LINES = Reader("json-lines", "JSON lines: one object per line", sniff, read)
