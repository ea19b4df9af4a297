"""Reads whole blocks of text: the bulk path of the `text` reader.

A block is cut into segments. Those of common layouts are read by layout, and of the others those of
common shapes by shape; what remains goes through the general path, `read_line`, line by line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lossaudit.model.table import Column, Ints, Table, Unread
from lossaudit.witnesses.text.by_layout import LayoutReader
from lossaudit.witnesses.text.by_shape import ShapedText, ShapeReader
from lossaudit.witnesses.text.segments import NO_DIGITS, Part, Segments, cut_segments
from lossaudit.witnesses.text.shapes import Shape
from lossaudit.witnesses.text.tags import TagBook, read_line
from lossaudit.witnesses.text.unread import UnreadCount


class BlockReader:
    """Turns blocks of one log into tables; remembers the layouts and shapes of its lines.

    Args:
        source: the log, as the user named it.
        book: numbers the tags.
    """

    def __init__(self, source: str, book: TagBook) -> None:
        self._source = source
        self._book = book
        self._unread = UnreadCount()
        self._by_layout = LayoutReader(book, self._unread)
        self._by_shape = ShapeReader(book, self._unread)

    def read(self, block: bytes, first: int, *, count_segments: bool = False) -> Table:
        """All records of a block.

        Args:
            block: text that ends in LF or CR.
            first: the number of its first line.
            count_segments: positions count segments, not lines: for a file without any LF.
        """
        segments = cut_segments(block, first, count_segments=count_segments)
        layouts, samples = self._by_layout.match(segments)
        shaped = [self._by_shape.match(segments, np.flatnonzero((layouts == 0) | samples), samples)]
        self._by_layout.learn(layouts, samples, shaped[0])
        layouts[samples] = 0
        others = self._by_layout.drop_others(segments, layouts)
        if len(others):
            shaped.append(self._by_shape.match(segments, others, samples))
        found = self._read_rare(segments, shaped)
        for some in shaped:
            found += self._by_shape.read(some)
        found += self._by_layout.read(segments, layouts)
        return self._table(found, segments.positions)

    def unread(self) -> list[Unread]:
        """The tags that lines name without a number that can be read, over all blocks."""
        return [
            Unread(tag.decode(errors="replace"), count, self._source, first)
            for tag, (count, first) in self._unread.found.items()
        ]

    def _read_rare(
        self, segments: Segments, shaped: Sequence[ShapedText]
    ) -> list[tuple[int, Part]]:
        """Read some segments one by one.

        Tags are numbered as the general path would number them, in the order in which they come
        up, so those of the shapes that were learnt in this block take their turns.
        """
        found: dict[int, list[tuple[int, float, int]]] = {}
        turns: list[tuple[int, Shape | None]] = [
            turn for s in shaped for turn in (*s.learnt, *((int(i), None) for i in s.rare))
        ]
        for segment, shape in sorted(turns, key=lambda turn: turn[0]):
            position = int(segments.positions[segment])
            if shape is not None:
                for tag in shape.tags:
                    self._book.number(tag, position)
                continue
            for number, value, decimals in read_line(segments.text(segment), self._book, position):
                shown = NO_DIGITS if decimals is None else decimals
                found.setdefault(number, []).append((segment, value, shown))
        return [
            (tag, (np.array(at), np.array(values, np.float64), np.array(shown)))
            for tag, numbers in found.items()
            for at, values, shown in (zip(*numbers, strict=True),)
        ]

    def _table(self, found: Iterable[tuple[int, Part]], positions: Ints) -> Table:
        parts: dict[int, list[Part]] = {}
        used = np.zeros(len(positions), np.bool_)
        for tag, part in found:
            parts.setdefault(tag, []).append(part)
            used[part[0]] = True
        record = np.cumsum(used) - 1
        columns = {}
        for tag in sorted(parts):
            segments, values, decimals = _joined(parts[tag])
            name, shown = self._book.names[tag], decimals[decimals != NO_DIGITS]
            span = (int(shown.min()), int(shown.max())) if len(shown) else None
            columns[name] = Column(name, values, record[segments], "text", span)
        return Table(self._source, columns, positions[used], "line")


def _joined(parts: list[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    segments, values, decimals = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(segments, kind="stable")
    return segments[order], values[order], decimals[order]
