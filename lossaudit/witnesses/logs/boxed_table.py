"""Tables in a box of dashes: OpenAI baselines, Stable-Baselines3, Spinning Up.

    -----------------------------
    | train/           |        |
    |    loss          | 0.0123 |
    | policy loss      | -0.1   |
    -----------------------------

A box is a record; its position is the line of its first row. A section row (a name that ends in `/`
and no value) is put before the indented names under it: `train/loss`. Names that the writer cut
keep their `...`. Of a name that comes twice in a box the first number is kept; values that are no
numbers are passed over, as are lines between rows that belong to no table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct, field

from lossaudit.model.table import Damage, Table
from lossaudit.witnesses.columns import STRETCH, TableBuilder, count_decimals, parse_number
from lossaudit.witnesses.lines import numbered_lines, utf8_head
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

_BORDER = re.compile(rb"\s*+(?:-{5,}+|\+[-=+]{4,}+)\s*+")
_ROW = re.compile(rb"\s*+\|([^|]*+)\|([^|]*+)\|\s*+")
_SHAPE = re.compile(
    rb"^[ \t]*+(?:-{5,}+|\+[-=+]{4,}+)[ \t]*+\r?\n"
    rb"(?:[ \t]*+\|[^|\r\n]*+\|[ \t]*+\|[ \t]*+\r?\n)?+"
    rb"[ \t]*+\|[^|\r\n]*+\|[ \t]*+(?:[-+]?[\d.]|nan|-?inf)[^|\r\n]*+\|",
    re.MULTILINE,
)
_INDENT = 3
"""Spaces by which Stable-Baselines3 indents a name under its section, beyond the usual one."""


class _Box(Struct):
    """The box that is being read: where it begins, its section, its numbers."""

    line: int = 0
    section: str = ""
    numbers: list[tuple[str, float, int | None]] = field(default_factory=list)

    def add(self, line: int, cell: bytes, shown: bytes) -> None:
        """Take in one row."""
        self.line = self.line or line
        text = cell.decode(errors="replace")
        name, value = text.strip(), shown.decode(errors="replace").strip()
        if not value and name.endswith("/"):
            self.section = name
            return
        if not text.startswith(" " * (_INDENT + 1)):
            self.section = ""
        number = parse_number(value)
        if name and number is not None:
            self.numbers.append((self.section + name, number, count_decimals(value)))


def _sniff(head: bytes, name: str) -> int:
    """85 for a border of dashes over a row of two cells whose second is a number."""
    return 85 if b"\0" not in (text := utf8_head(head)) and _SHAPE.search(text) else 0


def _read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage]:
    builder, box = TableBuilder(), _Box()
    for item in numbered_lines(stream):
        if isinstance(item, Damage):
            yield item
            continue
        number, line = item
        if row := _ROW.fullmatch(line):
            box.add(number, row[1], row[2])
        elif _BORDER.fullmatch(line):
            _close(box, builder)
            box = _Box()
            if len(builder) >= STRETCH:
                yield builder.build(stream.name)
    unclosed = box.line
    _close(box, builder)
    if len(builder):
        yield builder.build(stream.name)
    if unclosed:
        message = "the last box has no lower border, so rows may be missing"
        yield Damage(message, stream.name, unclosed, partial_tail=True)


def _close(box: _Box, builder: TableBuilder) -> None:
    """Make a record of a box that holds a number."""
    if box.numbers:
        builder.begin(box.line)
    for tag, value, decimals in box.numbers:
        builder.add(tag, value, decimals)


BOXED_TABLE = Reader(
    name="boxed-table",
    summary="tables in a box of dashes: OpenAI baselines, Stable-Baselines3, Spinning Up",
    sniff=_sniff,
    read=_read,
)
