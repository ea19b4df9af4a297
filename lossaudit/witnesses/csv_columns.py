"""The columns of rows of cells: numbers, gaps, and what is neither."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np

from lossaudit.model.table import Column, Damage, Table
from lossaudit.witnesses.columns import PART_KEYS, count_decimals, other_part
from lossaudit.witnesses.csv_rows import MISSING, is_number

_PLAIN = re.compile(r"[-+.0-9]*")


def read_columns(
    source: str, names: Sequence[str], rows: Sequence[list[str]], lines: Sequence[int], comma: bool
) -> Iterator[Table | Damage]:
    """The numeric columns of some rows, after what is wrong with single cells.

    Args:
        source: the log, as the user named it.
        names: of the columns; an empty name leaves its column out.
        rows: their cells, as many as names in each.
        lines: where each row begins.
        comma: whether a comma may be the decimal point.
    """
    columns = {}
    for name, cells, records in _by_part(names, rows):
        shown = list(cells) if len(records) == len(cells) else [cells[i] for i in records]
        column = _plain(name, shown, records, comma)
        if column is None:
            column, damage = _mixed(name, shown, records, comma)
            if name and damage:
                record, message = damage
                yield Damage(message, source, lines[record])
        if name and len(column.values):
            columns[name] = column
    if columns:
        yield Table(source, columns, np.array(lines, dtype=np.int64))


def _by_part(
    names: Sequence[str], rows: Sequence[list[str]]
) -> Iterator[tuple[str, tuple[str, ...], list[int]]]:
    """(tag, all cells, records that have one) of every column, other parts than training apart."""
    if not rows:
        return
    columns = list(zip(*rows, strict=True))
    parts = [""] * len(rows)
    for name, cells in zip(names, columns, strict=True):
        if name.lower() in PART_KEYS:
            parts = [
                other_part(name, cell) or part for cell, part in zip(cells, parts, strict=True)
            ]
    for part in dict.fromkeys(parts):
        for name, cells in zip(names, columns, strict=True):
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
