"""Blocks of text that are nothing but numbers between commas, parsed all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from lossaudit.model.table import Bools, Floats, Ints

Span = tuple[int, int] | None
"""Fewest and most decimals, None where no cell shows any."""


class Cells(Struct, frozen=True):
    """The numbers of one column of a block.

    Attributes:
        values: of the rows that have one, shape (N,).
        records: which rows those are, shape (N,).
        decimals: fewest and most digits after the point among the finite ones, or None.
    """

    values: Floats
    records: Ints
    decimals: Span = None


class NumberRows(Struct, frozen=True):
    """A block of rows of numbers."""

    count: int
    columns: list[Cells]


def parse_cells(text: bytes, rows: int, width: int) -> list[Cells] | None:
    """The columns of lines of numbers, correctly rounded; decimals stay None.

    Blank space may stand before a number. A line that has too few cells is filled up.

    Returns:
        A list of `width` columns; None where a cell is neither empty nor a number, a number is
        beyond float64, or a line has too many cells.
    """
    import polars

    schema = {str(i): polars.Float64 for i in range(width)}
    try:
        frame = polars.read_csv(text, has_header=False, schema=schema, quote_char=None)
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException):
        return None
    if frame.shape != (rows, width):
        return None
    every = np.arange(rows, dtype=np.int64)
    columns = [_cells(frame[name], every) for name in frame.columns]
    return None if any(np.isinf(c.values).any() for c in columns) else columns


def _cells(series: Any, every: Ints) -> Cells:
    if not series.null_count():
        return Cells(series.to_numpy(), every)
    return Cells(series.drop_nulls().to_numpy(), every[series.is_not_null().to_numpy()])


_POINT, _COMMA, _NEWLINE, _MINUS = b".,\n-"
_LONGEST_EXPONENT = 5


class Marks(Struct, frozen=True):
    """Where the decimal points and the ends of cells stand in a block of rows.

    Attributes:
        text: the block.
        places: shape (M,).
        kinds: the bytes there: point, comma or newline.
        rows: how many rows there are.
        width: cells in each.
        pattern: the kinds of a row, where all rows have the same, else empty.
    """

    text: bytes
    places: Ints
    kinds: NDArray[np.uint8]
    rows: int
    width: int
    pattern: bytes


def find_marks(text: bytes, width: int) -> Marks | None:
    """The marks of lines of numbers, or None where some line has other than `width` cells."""
    raw = np.frombuffer(text, np.uint8)
    places = np.flatnonzero(raw < ord("0"))
    kinds = raw[places]
    wanted = (kinds == _POINT) | (kinds == _COMMA) | (kinds == _NEWLINE)
    if not wanted.all():  # signs and blanks
        places, kinds = places[wanted], kinds[wanted]
    found, row = kinds.tobytes(), b"," * (width - 1) + b"\n"
    pattern = found[: found.find(b"\n") + 1]
    rows = len(found) // max(len(pattern), 1)
    if pattern.replace(b".", b"") == row and pattern * rows == found:
        return Marks(text, places, kinds, rows, width, pattern)
    ends = found.replace(b".", b"")
    rows = len(ends) // width
    return Marks(text, places, kinds, rows, width, b"") if row * rows == ends else None


def count_decimals_shown(marks: Marks, columns: list[Cells]) -> list[Span] | None:
    """Fewest and most digits after the decimal point in each column, among finite numbers.

    What they mean is that of `lossaudit.witnesses.columns.count_decimals`, for cells that are
    empty or numbers, with blank space before them at most.

    Returns:
        One for each column; None where an exponent is longer than numbers need.
    """
    shown = _characters(marks)
    if (b"e" in marks.text or b"E" in marks.text) and not _shift(shown, marks):
        return None
    return [_span(_finite(column, shown[:, i])) for i, column in enumerate(columns)]


def _finite(column: Cells, shown: Ints) -> Ints:
    """What is shown of a column's finite numbers."""
    if len(column.records) < len(shown):
        shown = shown[column.records]
    finite = np.isfinite(column.values)
    return shown if finite.all() else shown[finite]


def _span(shown: Ints) -> Span:
    return (int(shown.min()), int(shown.max())) if len(shown) else None


def _characters(marks: Marks) -> Ints:
    """Characters after the point of every cell, 0 where there is none, shape (rows, width)."""
    if marks.pattern:
        places = marks.places.reshape(marks.rows, -1)
        ends = [i for i, kind in enumerate(marks.pattern) if kind != _POINT]
        shown = np.zeros((marks.rows, marks.width), np.int64)
        for cell, end in enumerate(ends):
            if end and marks.pattern[end - 1] == _POINT:
                shown[:, cell] = places[:, end] - places[:, end - 1] - 1
        return shown
    is_end = marks.kinds != _POINT
    at = np.flatnonzero(is_end)
    before = at - 1  # -1 is the last mark, which is no point
    length = marks.places[at] - marks.places[before] - 1
    return np.where(is_end[before], 0, length).reshape(marks.rows, marks.width)


def _shift(shown: Ints, marks: Marks) -> bool:
    """Take exponents out of the characters and into account; False where one is too long."""
    raw = np.frombuffer(marks.text, np.uint8)
    starts = np.flatnonzero((raw | 0x20) == ord("e"))
    ends = marks.places[marks.kinds != _POINT]
    place = np.searchsorted(ends, starts)
    cells = np.divmod(place, marks.width)
    lengths = ends[place] - starts - 1
    if (lengths > _LONGEST_EXPONENT).any():
        return False
    exponents = np.zeros(len(starts), np.int64)
    for offset in range(_LONGEST_EXPONENT):
        byte = raw[np.minimum(starts + 1 + offset, len(raw) - 1)]
        is_digit = (offset < lengths) & (byte >= ord("0"))
        exponents = np.where(is_digit, 10 * exponents + byte - ord("0"), exponents)
    negative = raw[starts + 1] == _MINUS
    fraction = np.maximum(shown[cells] - lengths - 1, 0)
    shown[cells] = np.clip(fraction - np.where(negative, -exponents, exponents), -308, 308)
    return True


def has_blank_row(columns: list[Cells], rows: int) -> bool:
    """Whether some row has no number at all."""
    if any(len(c.records) == rows for c in columns):
        return False
    filled: Bools = np.zeros(rows, np.bool_)
    for column in columns:
        filled[column.records] = True
    return not bool(filled.all())
