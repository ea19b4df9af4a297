"""CSV and its kin: a header and rows, cut by commas, semicolons, tabs or vertical bars."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby

import numpy as np
from msgspec import Struct, field

from lossaudit.model.table import Column, Damage, Table
from lossaudit.witnesses.bulk import Block, parsed_blocks
from lossaudit.witnesses.columns import STRETCH, count_decimals
from lossaudit.witnesses.csv_block import read_block
from lossaudit.witnesses.csv_columns import read_columns
from lossaudit.witnesses.csv_rows import (
    BLANKS,
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
from lossaudit.witnesses.number_cells import NumberRows
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

_CELLS = 1 << 21
_NAME = re.compile(r"[^\W\d][\w ./:%()\[\]-]*")


def sniff(head: bytes, name: str) -> int:
    """Rows of equally many fields, most of them numbers."""
    lines = first_lines(head)
    layout = detect_layout(lines)
    if layout.fit < 0.8 or (layout.delimiter == BLANKS and layout.numeric < 1.0):
        return 0  # between words blanks are no sign of a table
    if len(layout.first) == 1:
        return 20 if len(lines) > 2 and layout.numeric == 1.0 else 0
    if len(lines) == 1 and layout.header:
        return 10 if all(_NAME.fullmatch(c.strip()) for c in layout.first) else 0
    if not layout.header:
        return 60 if layout.numeric == 1.0 else 30 if layout.numeric > 0.5 else 0
    return 80 if layout.numeric > 0.5 else 50 if layout.numeric > 0.25 else 0


def read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage]:
    """Read delimited text; positions are the lines where records begin.

    A first row without numbers names the columns; `options.columns` replaces it, and
    `options.usual_columns` stands in for it. Without any of them they are called "column 1",
    "column 2", ... A header further down, the same or another, holds for the rows below it. Empty
    cells (and NA, N/A, none, null, -) are missing values; columns in which most cells are other
    text are left out. A comma is the decimal point where the delimiter is `;` or a tab and the
    column shows no points. `decimals` covers every value.
    """
    layout = detect_layout(first_lines(stream.head))
    rows = _Rows(
        stream.name, stream.head, layout, list(options.columns), list(options.usual_columns)
    )
    width = len(options.columns or layout.first)
    parse = partial(read_block, delimiter=layout.delimiter, width=width)
    for plain, run in groupby(parsed_blocks(stream, parse), key=_is_plain):
        if plain:
            for block in run:
                assert isinstance(block, Block)
                yield from rows.read_plain(block)
        else:
            yield from rows.read(run)
    yield from rows.tables()


def _is_plain(block: Block[NumberRows] | Damage) -> bool:
    return isinstance(block, Block) and block.parsed is not None


class _Rows(Struct):
    """Rows below one header that are no table yet; an empty name leaves its column out.

    Attributes:
        header: the cells of the header as they stand.
        names: what they mean; None before the first row.
        previous: the row before, where it is below the same header.
    """

    source: str
    head: bytes
    layout: Layout
    columns: list[str]
    usual: list[str]
    header: list[str] = field(default_factory=list)
    names: list[str] | None = None
    previous: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def read(self, blocks: Iterable[Block[NumberRows] | Damage]) -> Iterator[Table | Damage]:
        """Take blocks row by row; tables come out as they are full."""
        for row in read_rows(blocks, self.source, self.layout.delimiter):
            if isinstance(row, Damage):
                yield row
            elif self.names is None:
                self.header = _first_header(self.head, self.layout, row.cells)
                if not any(self.header) and len(self.usual) == len(self.header):
                    self.header = self.usual
                yield from self._name(self.columns or self.header, row)
                if not self.layout.header:
                    yield from self._add(row)
            elif self._is_header(row):
                yield from self.tables()
                if row.cells != self.header:
                    yield from self._name(row.cells, row)
                self.header, self.previous = row.cells, []
            else:
                yield from self._add(row)

    def read_plain(self, block: Block[NumberRows]) -> Iterator[Table | Damage]:
        """Take a block that was parsed already."""
        if (
            self.names is None
            or block.parsed is None
            or len(block.parsed.columns) != len(self.names)
        ):
            yield from self.read([block])
            return
        yield from self.tables()
        columns = {
            name: Column(name, cells.values, cells.records, decimals=cells.decimals)
            for name, cells in zip(self.names, block.parsed.columns, strict=True)
            if name and len(cells.values)
        }
        if columns:
            lines = np.arange(block.line, block.line + block.parsed.count, dtype=np.int64)
            yield Table(self.source, columns, lines)
        last = block.text[block.text.rfind(b"\n", 0, -1) + 1 :].decode().rstrip("\r\n")
        self.previous = last.split(self.layout.delimiter)

    def tables(self) -> Iterator[Table | Damage]:
        """What was taken so far."""
        if self.names is not None:
            comma = self.layout.comma
            yield from read_columns(self.source, self.names, self.rows, self.lines, comma)
        self.lines, self.rows = [], []

    def _name(self, cells: list[str], row: Row) -> Iterator[Damage]:
        self.names, repeated = _named(cells, row, self.source)
        yield from repeated

    def _is_header(self, row: Row) -> bool:
        if row.cells == self.header:
            return any(cell.strip() for cell in self.header)
        if row.cells[0][:1].isdigit():
            return False  # spares most rows the closer look
        return is_header(row.cells, self.header, self.previous, self.layout.comma)

    def _add(self, row: Row) -> Iterator[Table | Damage]:
        assert self.names is not None
        if len(row.cells) != len(self.names):
            yield _ragged(row, len(self.names), self.source)
            return
        if not row.whole and self._may_be_cut(row.cells[-1]):
            message = f"the last line has no end, so {row.cells[-1][:40]!r} may be cut; left out"
            yield Damage(message, self.source, row.line, partial_tail=True)
            row.cells[-1] = ""
        self.lines.append(row.line)
        self.rows.append(row.cells)
        self.previous = row.cells
        if len(self.rows) >= min(STRETCH, 1 + _CELLS // len(self.names)):
            yield from self.tables()

    def _may_be_cut(self, cell: str) -> bool:
        """Whether the very last cell may go on: all but where its column has fixed decimals."""
        if not cell.strip():
            return False
        shown = {_shown_decimals(cells[-1]) for cells in self.rows if cells[-1].strip()}
        return shown != {_shown_decimals(cell)} or shown <= {0, None}


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


def _shown_decimals(cell: str) -> int | None:
    return count_decimals(cell) if is_number(cell, comma=False) else None


def _ragged(row: Row, expected: int, source: str) -> Damage:
    message = f"found {len(row.cells)} fields, expected {expected}"
    tail = not row.whole and len(row.cells) < expected
    return Damage(message, source, row.line, partial_tail=tail)


CSV_TABLE = Reader("csv", "CSV, TSV and other delimited text", sniff, read)
