"""Rows of delimited text: how a file is laid out, and its records with their line numbers."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from lossaudit.model.table import Damage
from lossaudit.witnesses.bulk import Block
from lossaudit.witnesses.columns import parse_number
from lossaudit.witnesses.lines import utf8_head
from lossaudit.witnesses.stream import HEAD

MISSING = frozenset(("", "na", "n/a", "none", "null", "-", "--"))
"""Cells, in lower case, that say that there is no value."""

BLANKS = " "
"""The delimiter of a table whose columns any number of blanks separate, as numpy.savetxt writes."""

_DELIMITERS = (",", ";", "\t", "|", BLANKS)
LINES_PER_ROW = 20
"""A quoted field that does not end within so many lines is damage."""

_LINES_SEEN = 50
_WORD = re.compile(r"[^\W\d][^,;|\t]*")


class _OpenQuoteError(csv.Error):
    """A quoted field goes on in the next line."""


class Layout(Struct, frozen=True):
    """How a table is written.

    Attributes:
        delimiter: what stands between fields.
        header: whether the first row names the columns.
        fit: share of rows that have as many fields as their header.
        numeric: share of numbers among the cells below the header that are not empty.
        first: the cells of the first row.
    """

    delimiter: str
    header: bool
    fit: float
    numeric: float
    first: tuple[str, ...]

    @property
    def comma(self) -> bool:
        """Whether a comma may be the decimal point."""
        return self.delimiter in ";\t"


def first_lines(head: bytes) -> list[str]:
    """The first whole lines, at most 50, without empty ones and `#` comments."""
    lines = utf8_head(head).decode("utf-8", "replace").split("\n")
    if len(lines) > (1 if len(head) >= HEAD else 2):
        lines.pop()  # cut by the end of the head, or by a writer that is still at it
    found = [line.rstrip("\r") for line in lines if line.strip() and not line.startswith("#")]
    return found[:_LINES_SEEN]


def detect_layout(lines: list[str]) -> Layout:
    """The layout that fits the first lines best; ties go to the first of `,` `;` tab `|` blanks."""
    layouts = [_layout(lines, delimiter) for delimiter in _DELIMITERS]
    return max(
        layouts,
        key=lambda f: (len(f.first) > 1 and f.fit > 0.5, f.numeric, f.fit, len(f.first)),
    )


def _layout(lines: list[str], delimiter: str) -> Layout:
    comma = delimiter in ";\t"
    numbered = ((number, line, True) for number, line in enumerate(lines, 1))
    found = _join_lines(numbered, "", delimiter)
    rows = [row.cells if isinstance(row, Row) else [] for row in found]
    if not rows or not rows[0]:
        return Layout(delimiter, False, 0.0, 0.0, ())
    header = _is_first_header(rows, comma)
    names, fits, filled = rows[0], 0, list[str]()
    for row in rows[header:]:
        if is_header(row, names, filled, comma):
            names = row
        fits += len(row) == len(names)
        filled += (c for c in row if row is not names and c.strip().lower() not in MISSING)
    numbers = sum(is_number(c, comma) for c in filled)
    fit = (fits + header) / len(rows)
    return Layout(delimiter, header, fit, numbers / max(len(filled), 1), tuple(rows[0]))


def _is_first_header(rows: list[list[str]], comma: bool) -> bool:
    """A first row without numbers names columns; so does a word above a number."""
    words = [c.strip().lower() not in MISSING and not is_number(c, comma) for c in rows[0]]
    below = rows[1] if len(rows) > 1 else []
    if any(word and is_number(c, comma) for word, c in zip(words, below, strict=False)):
        return True
    return not any(is_number(c, comma) for c in rows[0])


def is_number(cell: str, comma: bool) -> bool:
    """Whether a cell is a number, with a decimal comma where `comma` is set."""
    text = cell.replace(",", ".") if comma and "." not in cell else cell
    return parse_number(text) is not None


def is_header(cells: list[str], names: list[str], previous: list[str], comma: bool) -> bool:
    """Whether a row below a header names columns itself: the same again, or others.

    Its cells are all different and none is a number. Either some are names already, or they look
    like names and stand below a `previous` row without words, or are more or fewer than before.
    """
    words = [c.strip() for c in cells]
    if len(set(words)) < len(words) or any(is_number(w, comma) for w in words):
        return False
    if words == [n.strip() for n in names]:
        return True
    if len(words) < 2:
        return False
    if {w for w in words if w} & {n.strip() for n in names}:
        return True
    if not all(_WORD.fullmatch(w) and w.lower() not in MISSING for w in words):
        return False
    numeric = all(is_number(c, comma) or c.strip().lower() in MISSING for c in previous)
    return len(words) != len(names) or (numeric and bool(previous))


def split_row(text: str, delimiter: str) -> list[str]:
    """The fields of one record.

    Raises:
        csv.Error: if a quoted field is not closed, or is over 128 KiB.
    """
    if delimiter == BLANKS:
        return text.split()
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise _OpenQuoteError("a quoted field is not closed") from None
    return next(csv.reader([text], delimiter=delimiter))


class Row(Struct, frozen=True):
    """One record.

    Attributes:
        line: where it begins, from 1.
        text: as stored, without its line end.
        cells: its fields.
        whole: False for a last line without a line end.
    """

    line: int
    text: str
    cells: list[str]
    whole: bool


_Line = tuple[int, str, bool]


def read_rows(
    blocks: Iterable[Block[Any] | Damage], source: str, delimiter: str
) -> Iterator[Row | Damage]:
    """The records of blocks that follow one another; blank lines and `#` comments are none.

    A quoted field may span lines. One that does not end within 20 lines is `Damage` on the line
    where it begins, and reading goes on in the next line.
    """
    return _join_lines(_lines(blocks), source, delimiter)


def _join_lines(
    lines: Iterator[_Line | Damage], source: str, delimiter: str
) -> Iterator[Row | Damage]:
    ahead = deque[_Line | Damage]()
    while item := ahead.popleft() if ahead else next(lines, None):
        if isinstance(item, Damage):
            yield item
            continue
        line, text, whole = item
        try:
            yield Row(line, text, split_row(text, delimiter), whole)
        except _OpenQuoteError:
            row = _read_on(item, lines, ahead, delimiter)
            tail = not whole and row is None
            message = f"a quoted field does not end within {LINES_PER_ROW} lines: {_excerpt(text)}"
            yield row or Damage(message, source, line, partial_tail=tail)
        except csv.Error as error:
            yield Damage(f"no row of fields: {error}: {_excerpt(text)}", source, line)


def _read_on(
    start: _Line, lines: Iterator[_Line | Damage], ahead: deque[_Line | Damage], delimiter: str
) -> Row | None:
    """The record that begins in `start` and spans lines; without one, `ahead` keeps those lines."""
    line, text, _ = start
    taken = list[_Line | Damage]()
    while len(taken) < LINES_PER_ROW - 1:
        more = ahead.popleft() if ahead else next(lines, None)
        if more is None:
            break
        taken.append(more)
        if isinstance(more, Damage):
            break
        text += "\n" + more[1]
        if '"' in more[1]:
            try:
                return Row(line, text, split_row(text, delimiter), more[2])
            except _OpenQuoteError:
                continue
            except csv.Error:
                break
    ahead.extendleft(reversed(taken))
    return None


def _lines(blocks: Iterable[Block[Any] | Damage]) -> Iterator[_Line | Damage]:
    for block in blocks:
        if isinstance(block, Damage):
            yield block
            continue
        first = block.line
        lines = block.text.decode("utf-8", "replace").split("\n")
        last = lines.pop()
        for line, text in enumerate(lines, first):
            if text.strip() and text[0] != "#":
                yield line, text.removesuffix("\r"), True
        if last.strip() and last[0] != "#":
            yield first + len(lines), last, False


def _excerpt(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}..."
