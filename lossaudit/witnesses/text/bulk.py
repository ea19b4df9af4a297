"""Reads whole blocks of text, a shape at a time: the bulk path of the `text` reader."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossaudit.model.table import Bools, Column, Floats, Ints, Table
from lossaudit.witnesses.text.numbers import NumberRuns, parse_runs
from lossaudit.witnesses.text.shapes import FoldedText, Shape, fold, learn_shape
from lossaudit.witnesses.text.tags import TagBook, read_line

COMMON = 6
"""Lines of one shape in a block from which on it pays to learn the shape."""

_MOST_SHAPES = 20_000
_LONGEST_SHAPE = 4096
_UNSHAPED = 0


class _ShapeNumbers(dict[bytes, int]):
    """Numbers shapes as they are looked up; long ones, and all beyond a limit, are 0."""

    def __missing__(self, shape: bytes) -> int:
        if len(shape) > _LONGEST_SHAPE or len(self) >= _MOST_SHAPES:
            return _UNSHAPED
        self[shape] = number = len(self) + 1
        return number


_Part = tuple[Ints, Floats, Ints]
"""Segments in ascending order, their numbers of one tag, and decimals (`_NO_DIGITS` for words)."""

_NO_DIGITS = 1 << 20


class BlockReader:
    """Turns blocks of one log into tables; remembers the shapes of its lines.

    Args:
        source: the log, as the user named it.
        book: numbers the tags.
    """

    def __init__(self, source: str, book: TagBook) -> None:
        self._source = source
        self._book = book
        self._numbers = _ShapeNumbers()
        self._shapes: dict[int, Shape | None] = {_UNSHAPED: None}

    def read(self, block: bytes, first: int, *, count_segments: bool = False) -> Table:
        """All records of a block.

        Args:
            block: text that ends in LF or CR.
            first: the number of its first line.
            count_segments: positions count segments, not lines: for a file without any LF.
        """
        text = fold(block)
        segments = len(text.starts)
        lines = first + (np.arange(segments) if count_segments else text.line_feeds)
        parts: dict[int, list[_Part]] = {}
        rare: list[Ints] = []
        common: list[tuple[Shape, Ints]] = []
        for shape, rows in self._groups(text, lines):
            if shape is None:
                rare.append(rows)
            elif len(shape.tags) or shape.words:
                fits = _fitting(text, shape, rows)
                rare.append(rows[~fits])
                common.append((shape, rows[fits]))
        for tag, part in (*_read_common(text, common), *self._read_rare(text, rare, lines)):
            parts.setdefault(tag, []).append(part)
        return self._table(parts, lines)

    def _groups(self, text: FoldedText, lines: Ints) -> Iterator[tuple[Shape | None, Ints]]:
        """The segments of each shape; None for those that must be read one by one."""
        looked_up = map(self._numbers.__getitem__, text.shapes)
        numbers = np.fromiter(looked_up, np.int64, len(text.shapes))
        order = np.argsort(numbers, kind="stable")
        cuts = np.flatnonzero(np.diff(numbers[order])) + 1
        for rows in np.split(order, cuts):
            number, row = int(numbers[rows[0]]), int(rows[0])
            if number not in self._shapes and len(rows) >= COMMON:
                learnt = learn_shape(text.segment(row), self._book, int(lines[row]))
                self._shapes[number] = learnt
            yield self._shapes.get(number), rows

    def _read_rare(
        self, text: FoldedText, groups: list[Ints], lines: Ints
    ) -> Iterator[tuple[int, _Part]]:
        rows = np.sort(np.concatenate(groups)) if groups else np.zeros(0, np.int64)
        found: dict[int, list[tuple[int, float, int]]] = {}
        for row in rows.tolist():
            for tag, value, decimals in read_line(text.segment(row), self._book, int(lines[row])):
                shown = _NO_DIGITS if decimals is None else decimals
                found.setdefault(tag, []).append((row, value, shown))
        for tag, numbers in found.items():
            at = np.array([n[0] for n in numbers])
            values = np.array([n[1] for n in numbers], np.float64)
            yield tag, (at, values, np.array([n[2] for n in numbers]))

    def _table(self, parts: dict[int, list[_Part]], lines: Ints) -> Table:
        used = np.zeros(len(lines), np.bool_)
        for part in parts.values():
            for rows, _, _ in part:
                used[rows] = True
        record = np.cumsum(used) - 1
        columns = {}
        for tag in sorted(parts):
            rows, values, decimals = _joined(parts[tag])
            name, shown = self._book.names[tag], decimals[decimals != _NO_DIGITS]
            span = (int(shown.min()), int(shown.max())) if len(shown) else None
            columns[name] = Column(name, values, record[rows], "text", span)
        return Table(self._source, columns, lines[used], "line")


def _fitting(text: FoldedText, shape: Shape, rows: Ints) -> Bools:
    """Which lines have the digits in their names that the shape was learnt from."""
    fits = np.ones(len(rows), np.bool_)
    raw = np.frombuffer(text.runs.buffer, np.uint8)
    for run, digits in shape.checks:
        which = text.first_run[rows] + run
        fits &= text.runs.lengths[which] == len(digits) - 1
        starts = np.where(fits, text.runs.starts[which], 1)
        for offset, byte in enumerate(digits, -1):
            fits &= raw[np.minimum(starts + offset, len(raw) - 1)] == byte
    return fits


def _read_common(text: FoldedText, groups: list[tuple[Shape, Ints]]) -> Iterator[tuple[int, _Part]]:
    """The numbers of many lines per shape, all parsed at once."""
    if not groups:
        return
    absolute = [_absolute(shape.numbers, text.first_run[rows]) for shape, rows in groups]
    values, decimals = parse_runs(text.runs, NumberRuns.joined(absolute))
    at = 0
    for shape, rows in groups:
        for tag in shape.tags.tolist():
            yield tag, (rows, values[at : at + len(rows)], decimals[at : at + len(rows)])
            at += len(rows)
        for tag, value in shape.words:
            yield tag, (rows, np.full(len(rows), value), np.full(len(rows), _NO_DIGITS))


def _absolute(numbers: NumberRuns, first: Ints) -> NumberRuns:
    """The numbers of a shape in each of its lines, number by number; `first` is each line's run."""

    def moved(part: Ints) -> Ints:
        return np.where(part[:, None] < 0, -1, part[:, None] + first).ravel()

    shrinks = np.repeat(numbers.shrinks, len(first))
    return NumberRuns(
        moved(numbers.whole), moved(numbers.fraction), moved(numbers.exponent), shrinks
    )


def _joined(parts: list[_Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    rows, values, decimals = (np.concatenate(p) for p in zip(*parts, strict=True))
    order = np.argsort(rows, kind="stable")
    return rows[order], values[order], decimals[order]
