"""Whole blocks of delimited text that hold nothing but numbers: the bulk path of the csv reader."""

from __future__ import annotations

from msgspec.structs import replace

from lossaudit.witnesses.csv_rows import BLANKS, LINES_PER_ROW
from lossaudit.witnesses.number_cells import (
    NumberRows,
    count_decimals_shown,
    find_marks,
    has_blank_row,
    parse_cells,
)


def read_block(text: bytes, delimiter: str, width: int) -> NumberRows | None:
    """A block of rows, column by column.

    Args:
        text: whole lines.
        delimiter: what stands between fields.
        width: how many fields a row must have.

    Returns:
        `width` columns; None where the block holds anything but rows of numbers and
        empty cells, or so few rows that a quoted field might end behind it.
    """
    plain = _with_commas(text, delimiter)
    if plain is None or width < 2 or not text.endswith(b"\n"):
        return None
    marks = find_marks(plain, width)
    if marks is None or marks.rows < LINES_PER_ROW:
        return None
    columns = parse_cells(plain, marks.rows, width)
    if columns is None or (delimiter == "\t" and has_blank_row(columns, marks.rows)):
        return None  # a line of tabs is a blank line
    spans = count_decimals_shown(marks, columns)
    if spans is None:
        return None
    shown = [replace(c, decimals=span) for c, span in zip(columns, spans, strict=True)]
    return NumberRows(marks.rows, shown)


def _with_commas(text: bytes, delimiter: str) -> bytes | None:
    """The same numbers with points, commas between them and newlines; None if that is not clear."""
    if delimiter == BLANKS:
        return None
    if b"\r" in text:
        if text.count(b"\r") != text.count(b"\r\n"):
            return None
        text = text.replace(b"\r\n", b"\n")
    if delimiter == ",":
        return text
    if b"," in text:
        if delimiter not in ";\t" or b"." in text:
            return None
        text = text.replace(b",", b".")
    return text.replace(delimiter.encode(), b",")
