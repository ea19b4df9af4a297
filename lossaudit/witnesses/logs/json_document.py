"""One JSON document that holds a list of records, such as the HF Trainer's `trainer_state.json`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from lossaudit.model.table import Column, Damage, Table
from lossaudit.witnesses.columns import STRETCH, TableBuilder, parse_number
from lossaudit.witnesses.json_records import (
    DECODER,
    MalformedError,
    RefusedError,
    is_number,
    largest_arrays,
    longest_list,
    numbers_of,
    other_lists,
    parse_json,
)
from lossaudit.witnesses.lines import utf8_blocks, utf8_head
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import HEAD, LogStream

LARGEST = 1 << 28  # a document is parsed whole, into up to 27 times its bytes

_ATTEMPTS = 1000
_LIST_START = re.compile(r"\[\s*(?=\{)")
_COMMA = re.compile(r"\s*,\s*")
_HOLDS_RECORDS = re.compile(r'\[\s*\{\s*"|":\s*\[\s*-?[0-9NI]')


def sniff(head: bytes, name: str) -> int:
    """One object or list over the whole file; objects on lines of their own are another format."""
    text = utf8_head(head).decode("utf-8", "replace").strip()
    if not text.startswith(("{", "[")):
        return 0
    try:
        value = parse_json(text)
    except MalformedError as error:
        return 0 if error.reason == "Extra data" else _sniff_cut(text, len(head) >= HEAD)
    except RefusedError:
        return 0
    if longest_list(value) or largest_arrays(value):
        return 85
    return 60 if "\n" in text and isinstance(value, dict) else 0


def _sniff_cut(text: str, cut: bool) -> int:
    """The confidence in a document of which only the start is here, or which is damaged."""
    first, newline, _ = text.partition("\n")
    if newline and len(first) > 1:
        try:
            if isinstance(parse_json(first), dict):
                return 0  # JSON lines
        except RefusedError:
            pass
    if re.match(r'\[\s*\{\s*"|\{\s*"', text) and _HOLDS_RECORDS.search(text):
        return 80 if cut else 70
    return 40 if re.match(r'\{\s*\n\s*"', text) else 0


def read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage]:
    """Read a list of objects, an object of equally long arrays, or one object.

    Of several lists the one with the most objects counts, at most two keys deep. Positions are
    rows from 1. Of a document that is cut, the records before the cut are kept.
    """
    text = _text(stream)
    if isinstance(text, Damage):
        yield text
        return
    if not text.strip():
        return
    try:
        value = parse_json(text)
    except RefusedError as error:
        records = _recover(text)
        kept = f"{len(records):,} records before it were kept" if records else "nothing was kept"
        yield from _read_records(records, stream.name)
        line = error.line if isinstance(error, MalformedError) else 1
        yield Damage(f"{error}; {kept}", stream.name, line)
    else:
        yield from _read_value(value, stream.name)


def _text(stream: LogStream) -> str | Damage:
    pieces, length = [], 0
    for block in utf8_blocks(stream):
        length += len(block)
        if length > LARGEST:
            return Damage(f"a JSON document of more than {LARGEST:,} bytes", stream.name, 1)
        pieces.append(block)
    return b"".join(pieces).decode("utf-8", "replace")


def _read_value(value: Any, source: str) -> Iterator[Table | Damage]:
    if records := longest_list(value):
        yield from _read_records(records, source)
        for count in other_lists(value, records):
            message = (
                f"a second list of {count:,} such records was left out; only the longest is read"
            )
            yield Damage(message, source, 1)
    elif arrays := largest_arrays(value):
        yield from _read_arrays(arrays, source)
    elif isinstance(value, dict):
        yield from _read_records([value] if value else [], source)
    else:
        message = "no list of objects and no object of arrays in this JSON document"
        yield Damage(message, source, 1)


def _read_records(records: list[Any], source: str) -> Iterator[Table | Damage]:
    builder = TableBuilder()
    for row, record in enumerate(records, 1):
        try:
            if not isinstance(record, dict):
                raise RefusedError(f"not an object: {str(record)[:40]!r}")
            numbers, _ = numbers_of(record)
        except RefusedError as error:
            yield Damage(str(error), source, row, "row")
            continue
        if numbers:
            builder.add_records([(row, numbers)])
        if len(builder) >= STRETCH:
            yield builder.build(source, "row")
    if len(builder):
        yield builder.build(source, "row")


def _read_arrays(arrays: dict[str, list[Any]], source: str) -> Iterator[Table | Damage]:
    """One table of equally long arrays; those of another length than most are left out."""
    rows = Counter(map(len, arrays.values())).most_common(1)[0][0]
    columns = {}
    for tag, array in arrays.items():
        if len(array) != rows:
            message = f"array {tag!r} has {len(array):,} values, the others {rows:,}"
            yield Damage(message, source, 1, "row")
            continue
        found = {i: number for i, v in enumerate(array) if (number := _number(v)) is not None}
        odd = [i for i, v in enumerate(array) if v is not None and i not in found]
        if odd:
            message = f"array {tag!r}: {str(array[odd[0]])[:40]!r} is no number"
            yield Damage(message, source, odd[0] + 1, "row")
        values = np.fromiter(found.values(), np.float64, len(found))
        columns[tag] = Column(tag, values, np.fromiter(found, np.int64, len(found)))
    yield Table(source, columns, np.arange(1, rows + 1, dtype=np.int64), "row")


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return parse_number(value)
    return float(value) if is_number(value) else None


def _recover(text: str) -> list[Any]:
    """The longest list of objects in a damaged document, up to where it breaks."""
    best: list[Any] = []
    position = 0
    for _ in range(_ATTEMPTS):
        start = _LIST_START.search(text, position)
        if start is None:
            break
        run: list[Any] = []
        position = start.end()
        while True:
            try:
                value, position = DECODER.raw_decode(text, position)
            except (json.JSONDecodeError, RecursionError):
                break
            run.append(value)
            comma = _COMMA.match(text, position)
            if comma is None:
                break
            position = comma.end()
        best = max(best, run, key=len)
    return best


JSON_DOCUMENT = Reader("json", "one JSON document: a list of records, or arrays", sniff, read)
