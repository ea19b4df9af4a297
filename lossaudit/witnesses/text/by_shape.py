"""Reads segments whose layout is rare but whose shape is common: the rest of the bulk path."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.model.table import Bools, Ints
from lossaudit.witnesses.text.numbers import Numbers, parse_numbers
from lossaudit.witnesses.text.segments import COMMON, NO_DIGITS, Part, Segments
from lossaudit.witnesses.text.shapes import FoldedText, Shape, fold, learn_shape
from lossaudit.witnesses.text.tags import TagBook
from lossaudit.witnesses.text.unread import UnreadCount, find_unread

_MOST_SHAPES = 20_000
_LONGEST_SHAPE = 4096
_UNSHAPED = 0


class _ShapeIndex(dict[bytes, int]):
    """Numbers shapes as they are looked up; long ones, and all beyond a limit, are 0."""

    def __missing__(self, shape: bytes) -> int:
        if len(shape) > _LONGEST_SHAPE or len(self) >= _MOST_SHAPES:
            return _UNSHAPED
        self[shape] = number = len(self) + 1
        return number


class ShapedText(Struct, frozen=True):
    """Some segments of a block, by shape.

    Attributes:
        text: the segments, folded.
        segments: shape (M,), which segments of the block these are, ascending.
        groups: the lines of the text that each shape reads.
        learnt: what was learnt from which segment.
        rare: segments that must be read one by one.
    """

    text: FoldedText
    segments: Ints
    groups: list[tuple[Shape, Ints]]
    learnt: list[tuple[int, Shape]]
    rare: Ints

    def digits_in_names(self, shape: Shape, line: int) -> Ints:
        """(offset in the line, byte) of each digit inside a name of a line: shape (C, 2)."""
        first = self.text.first_run[line]
        found = [
            (self.text.runs.starts[first + run] - self.text.starts[line] + i, digit)
            for run, digits in shape.checks
            for i, digit in enumerate(digits[1:])
        ]
        return np.array(found, np.int64).reshape(-1, 2)


class ShapeReader:
    """Reads the segments of one log that have common shapes; remembers these shapes.

    Args:
        book: numbers the tags.
        unread: counts those that lines name without a number that can be read.
    """

    def __init__(self, book: TagBook, unread: UnreadCount) -> None:
        self._book = book
        self._count = unread
        self._index = _ShapeIndex()
        self._shapes: dict[int, Shape | None] = {_UNSHAPED: None}
        self._unread: dict[int, tuple[bytes, ...]] = {_UNSHAPED: ()}

    def match(self, segments: Segments, which: Ints, samples: Bools) -> ShapedText:
        """Find out which segments can be read here, and learn new shapes.

        Args:
            segments: of a block, S.
            which: some of them, ascending.
            samples: shape (S,), where the shape must be learnt even if it is rare.
        """
        text = fold([segments.text(i) for i in which.tolist()])
        numbers = np.fromiter(map(self._index.__getitem__, text.shapes), np.int64, len(which))
        order = np.argsort(numbers, kind="stable")
        groups, learnt, rare = [], [], [order[:0]]
        for lines in np.split(order, np.flatnonzero(np.diff(numbers[order], prepend=-1)))[1:]:
            number, segment = int(numbers[lines[0]]), int(which[lines[0]])
            shape = self._shapes.get(number)
            if number not in self._unread:
                self._unread[number] = find_unread(segments.text(segment))
            if self._unread[number]:
                self._count.add(self._unread[number], segments.positions[which[lines]])
            worth = len(lines) >= COMMON or samples[which[lines]].any()
            if worth and number not in self._shapes:
                shape = learn_shape(segments.text(segment))
                if shape is not None:
                    shape = replace(shape, unread=self._unread[number])
                self._shapes[number] = shape
                learnt += [(segment, shape)] if shape is not None else []
            if shape is None:
                rare.append(lines)
            elif shape.tags:
                fits = _fitting(text, shape, lines)
                rare.append(lines[~fits])
                groups.append((shape, lines[fits]))
        return ShapedText(text, which, groups, learnt, which[np.concatenate(rare)])

    def read(self, shaped: ShapedText) -> Iterator[tuple[int, Part]]:
        """The numbers of the segments that `match` found: (tag's number, part) each."""
        if not shaped.groups:
            return
        text = shaped.text
        located = [s.numbers.locate(text.runs, text.first_run[lines]) for s, lines in shaped.groups]
        values, decimals = parse_numbers(text.buffer, Numbers.joined(located))
        at = 0
        for shape, lines in shaped.groups:
            segments = shaped.segments[lines]
            tags = [self._book.number(tag, 0) for tag in shape.tags]
            for tag in shape.tag_of.tolist():
                end = at + len(lines)
                if tags[tag] >= 0:
                    yield tags[tag], (segments, values[at:end], decimals[at:end])
                at = end
            for tag, value in shape.words:
                if tags[tag] >= 0:
                    shown = np.full(len(lines), NO_DIGITS)
                    yield tags[tag], (segments, np.full(len(lines), value), shown)


def _fitting(text: FoldedText, shape: Shape, lines: Ints) -> Bools:
    """Which lines have the digits in their names that the shape was learnt from."""
    fits = np.ones(len(lines), np.bool_)
    raw = np.frombuffer(text.buffer, np.uint8)
    for run, digits in shape.checks:
        which = text.first_run[lines] + run
        fits &= text.runs.lengths[which] == len(digits) - 1
        starts = np.where(fits, text.runs.starts[which], 1)
        for offset, byte in enumerate(digits, -1):
            fits &= raw[np.minimum(starts + offset, len(raw) - 1)] == byte
    return fits
