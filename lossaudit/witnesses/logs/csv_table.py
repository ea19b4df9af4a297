"""CSV and its kin: a header and rows, cut by commas, semicolons, tabs or vertical bars."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from lossaudit.model.table import Column, Damage, Table
from lossaudit.witnesses.columns import PART_KEYS, STRETCH, count_decimals, other_part
from lossaudit.witnesses.csv_rows import (
    MISSING,
    Layout,
    Row,
    detect_layout,
    first_lines,
    is_header,
    is_number,
    read_rows,
    split_row,
)
from lossaudit.witnesses.lines import utf8_head
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

_CELLS = 1 << 21
_PLAIN = re.compile(r"[-+.0-9]*")
_NAME = re.compile(r"[^\W\d][\w ./:%()\[\]-]*")


def sniff(head: bytes, name: str) -> int:
    """Rows of equally many fields, most of them numbers."""
    lines = first_lines(head)
    layout = detect_layout(lines)
    if layout.fit < 0.8:
        return 0
    if len(layout.first) == 1:
        return 20 if len(lines) > 2 and layout.numeric == 1.0 else 0
    if len(lines) == 1 and layout.header:
        return 10 if all(_NAME.fullmatch(c.strip()) for c in layout.first) else 0
    if not layout.header:
        return 60 if layout.numeric == 1.0 else 30 if layout.numeric > 0.5 else 0
    return 80 if layout.numeric > 0.5 else 50 if layout.numeric > 0.25 else 0


@dataclass(slots=True)
class _Batch:
    """Rows below one header; an empty name leaves its column out."""

    names: list[str]
    lines: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def is_full(self) -> bool:
        return len(self.rows) >= min(STRETCH, 1 + _CELLS // len(self.names))


def read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage]:
    """Read delimited text; positions are the lines where records begin.

    A first row without numbers names the columns; `options.columns` replaces it. Without either
    they are called "column 1", "column 2", ... A header further down, the same or another, holds
    for the rows below it. Empty cells (and NA, N/A, none, null, -) are missing values; columns in
    which most cells are other text are left out. A comma is the decimal point where the delimiter
    is `;` or a tab and the column shows no points. `decimals` covers every value.
    """
    layout = detect_layout(first_lines(stream.head))
    batch: _Batch | None = None
    header: list[str] = []
    for row in read_rows(stream, layout.delimiter):
        if isinstance(row, Damage):
            yield row
            continue
        if batch is None:
            header = _first_header(stream.head, layout, row.cells)
            names, repeated = _named(list(options.columns) or header, row, stream.name)
            yield from repeated
            batch = _Batch(names)
            if layout.header:
                continue
        elif _is_header_row(row, header, batch, layout):
            yield from _tables(batch, layout, stream.name)
            names = batch.names
            if row.cells != header:
                names, repeated = _named(row.cells, row, stream.name)
                yield from repeated
            batch, header = _Batch(names), row.cells
            continue
        if len(row.cells) != len(batch.names):
            yield _ragged(row, len(batch.names), stream.name)
            continue
        if not row.whole and _may_be_cut(row.cells[-1], batch):
            message = f"the last line has no end, so {row.cells[-1][:40]!r} may be cut; left out"
            yield Damage(message, stream.name, row.line, partial_tail=True)
            row.cells[-1] = ""
        batch.lines.append(row.line)
        batch.rows.append(row.cells)
        if batch.is_full():
            yield from _tables(batch, layout, stream.name)
            batch = _Batch(batch.names)
    if batch is not None:
        yield from _tables(batch, layout, stream.name)


def _first_header(head: bytes, layout: Layout, first: list[str]) -> list[str]:
    """The names in the first row, else in a comment above it (as numpy writes), else numbers."""
    if layout.header:
        return first
    for line in utf8_head(head).decode("utf-8", "replace").split("\n"):
        if not line.startswith("#"):
            break
        try:
            names = split_row(line.strip().lstrip("# "), layout.delimiter)
        except csv.Error:
            continue
        if len(names) == len(first) and not any(is_number(c, layout.comma) for c in names):
            return names
    return [""] * len(first)


def _named(cells: list[str], row: Row, source: str) -> tuple[list[str], list[Damage]]:
    """A header's names; nameless columns are numbered, a repeated name is damage and left out."""
    names, repeated = list[str](), list[Damage]()
    for number, cell in enumerate(cells, 1):
        name = cell.strip() or f"column {number}"
        if name in names:
            message = f"column {number} is called {name!r} like one before it"
            repeated.append(Damage(message, source, row.line))
            name = ""
        names.append(name)
    return names, repeated


def _is_header_row(row: Row, header: list[str], batch: _Batch, layout: Layout) -> bool:
    if row.cells == header:
        return any(cell.strip() for cell in header)
    if row.cells[0][:1].isdigit():
        return False  # spares most rows the closer look
    return is_header(row.cells, header, batch.rows[-1] if batch.rows else [], layout.comma)


def _may_be_cut(cell: str, batch: _Batch) -> bool:
    """Whether the very last cell may go on: all but where its column has fixed decimals."""
    if not cell.strip():
        return False
    shown = {_shown_decimals(cells[-1]) for cells in batch.rows if cells[-1].strip()}
    return shown != {_shown_decimals(cell)} or shown <= {0, None}


def _shown_decimals(cell: str) -> int | None:
    return count_decimals(cell) if is_number(cell, comma=False) else None


def _ragged(row: Row, expected: int, source: str) -> Damage:
    message = f"found {len(row.cells)} fields, expected {expected}"
    tail = not row.whole and len(row.cells) < expected
    return Damage(message, source, row.line, partial_tail=tail)


def _tables(batch: _Batch, layout: Layout, source: str) -> Iterator[Table | Damage]:
    """The numeric columns of a batch, after what is wrong with single cells."""
    columns = {}
    for name, cells, records in _by_part(batch):
        shown = list(cells) if len(records) == len(cells) else [cells[i] for i in records]
        column = _plain(name, shown, records, layout.comma)
        if column is None:
            column, damage = _mixed(name, shown, records, layout.comma)
            if name and damage:
                record, message = damage
                yield Damage(message, source, batch.lines[record])
        if name and len(column.values):
            columns[name] = column
    if columns:
        yield Table(source, columns, np.array(batch.lines, dtype=np.int64))


def _by_part(batch: _Batch) -> Iterator[tuple[str, tuple[str, ...], list[int]]]:
    """(tag, all cells, records that have one) of every column, other parts than training apart."""
    if not batch.rows:
        return
    columns = list(zip(*batch.rows, strict=True))
    parts = [""] * len(batch.rows)
    for name, cells in zip(batch.names, columns, strict=True):
        if name.lower() in PART_KEYS:
            parts = [
                other_part(name, cell) or part for cell, part in zip(cells, parts, strict=True)
            ]
    for part in dict.fromkeys(parts):
        for name, cells in zip(batch.names, columns, strict=True):
            records = [i for i, cell in enumerate(cells) if cell and parts[i] == part]
            if records:
                yield f"{part}/{name}" if part and name else name, cells, records


def _plain(name: str, cells: list[str], records: list[int], comma: bool) -> Column | None:
    """A column of nothing but numbers, or None."""
    text = "".join(cells)
    if "_" in text or not text.isascii():
        return None
    if comma and "," in text and "." not in text:
        cells = [cell.replace(",", ".") for cell in cells]
    try:
        values = np.array(list(map(float, cells)), dtype=np.float64)
    except ValueError:
        return None
    return Column(name, values, np.array(records, dtype=np.int64), decimals=_decimals(cells))


def _mixed(
    name: str, cells: list[str], records: list[int], comma: bool
) -> tuple[Column, tuple[int, str] | None]:
    """The numbers of a column that holds other text too, if they are the greater part.

    Returns:
        The column, empty if most cells are other text; and (record, message) of the first cell
        that is neither a number nor missing.
    """
    comma = comma and not any("." in cell for cell in cells)
    numbers: list[tuple[int, str]] = []
    others: list[tuple[int, str]] = []
    for record, cell in zip(records, cells, strict=True):
        if cell.strip().lower() not in MISSING:
            (numbers if is_number(cell, comma) else others).append((record, cell))
    if len(others) > len(numbers):
        numbers, others = [], []
    column = _plain(name, [c for _, c in numbers], [r for r, _ in numbers], comma)
    damage = None
    if others:
        record, cell = others[0]
        more = f", and {len(others) - 1:,} more below" if len(others) > 1 else ""
        damage = record, f"column {name!r}: {cell[:40]!r} is no number{more}"
    return column or Column(name, np.empty(0), np.empty(0, dtype=np.int64)), damage


def _decimals(cells: list[str]) -> tuple[int, int] | None:
    """Fewest and most digits after the decimal point; see `count_decimals`."""
    if _PLAIN.fullmatch("".join(cells)):
        shown = {len(c) - 1 - c.find(".") if "." in c else 0 for c in cells}
    else:
        finite = (c for c in cells if math.isfinite(float(c)))
        shown = {d for c in finite if (d := count_decimals(c)) is not None}
    return (min(shown), max(shown)) if shown else None


CSV_TABLE = Reader("csv", "CSV, TSV and other delimited text", sniff, read)
