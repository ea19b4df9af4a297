"""Reads the segments whose layout is known: the fast part of the bulk path.

The layout of a segment is its text with every digit as `0`. Segments of one layout are equally
long, and their numbers stand at the same offsets. A log has few layouts: of each that has come up
`COMMON` times a sample is read by its shape, which says where the numbers are, and the numbers of
all segments of a block that have learnt layouts are then parsed at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from lossaudit.model.table import Bools, Ints
from lossaudit.witnesses.text.by_shape import ShapedText
from lossaudit.witnesses.text.numbers import Numbers, parse_numbers
from lossaudit.witnesses.text.segments import COMMON, Part, Segments
from lossaudit.witnesses.text.shapes import Shape
from lossaudit.witnesses.text.tags import TagBook
from lossaudit.witnesses.text.unread import UnreadCount

_MOST_LAYOUTS = 8192
_LONGEST_LAYOUT = 1024
_MOST_NUMBERS = 1 << 17
_AT_ONCE = 1 << 13
"""Numbers that are parsed at once: so few that what is made of them stays in cache."""

_DIGIT = re.compile(rb"\d")
_OTHER = 0
_DROPPED = -1


class _LayoutIndex(dict[bytes, int]):
    """Numbers layouts as they are looked up; long ones, and all beyond a limit, are 0."""

    def __missing__(self, layout: bytes) -> int:
        if len(layout) > _LONGEST_LAYOUT or len(self) >= _MOST_LAYOUTS:
            return _OTHER
        self[layout] = number = len(self) + 1
        return number


class _Lists:
    """Items of each layout, kept end to end: where those of a layout begin, and how many."""

    def __init__(self) -> None:
        self.total = 0
        self._first = np.zeros(_MOST_LAYOUTS + 1, np.int64)
        self._count = np.zeros(_MOST_LAYOUTS + 1, np.int64)

    def append(self, layout: int, count: int) -> None:
        """Note that the next `count` items are the layout's."""
        self._first[layout], self._count[layout] = self.total, count
        self.total += count

    def expand(self, layouts: Ints) -> tuple[Ints, Ints]:
        """The items of segments with these layouts: (which segment, which item) of each."""
        counts = self._count[layouts]
        segments = np.repeat(np.arange(len(layouts)), counts)
        offsets = self._first[layouts] + counts - np.cumsum(counts)
        return segments, np.arange(len(segments)) + np.repeat(offsets, counts)


class LayoutReader:
    """Reads the segments of one log that have common layouts; remembers these layouts.

    Args:
        book: numbers the tags.
        unread: counts those that lines name without a number that can be read.
    """

    def __init__(self, book: TagBook, unread: UnreadCount) -> None:
        self._book = book
        self._count = unread
        self._forget()

    def _forget(self) -> None:
        self._index = _LayoutIndex()
        self._seen = np.zeros(_MOST_LAYOUTS + 1, np.int64)
        self._tried = np.arange(_MOST_LAYOUTS + 1) == _OTHER
        self._learnt = np.zeros(_MOST_LAYOUTS + 1, np.bool_)
        nothing = np.zeros(0, np.int64)
        self._numbers, self._number_lists = Numbers(*[nothing] * len(Numbers._fields)), _Lists()
        self._tags, self._unnumbered = nothing, list[tuple[Shape, int]]()
        self._checks, self._check_lists = np.zeros((0, 2), np.int64), _Lists()
        self._unread: list[tuple[bytes, ...]] = [()]
        self._unread_of = np.zeros(_MOST_LAYOUTS + 1, np.int64)

    def match(self, segments: Segments) -> tuple[Ints, Bools]:
        """Look up the layouts of segments.

        Returns:
            (layouts, samples): shape (S,), each segment's layout, 0 where it is not common; and
            those segments from whose shapes `learn` must learn a layout.
        """
        if len(self._index) >= _MOST_LAYOUTS or self._number_lists.total > _MOST_NUMBERS:
            self._forget()
        looked_up = map(self._index.__getitem__, segments.layouts)
        layouts = np.fromiter(looked_up, np.int64, len(segments.layouts))
        counts = np.bincount(layouts, minlength=len(self._seen))
        self._seen += counts
        new = (counts > 0) & (self._seen >= COMMON) & ~self._tried
        samples = np.zeros(len(layouts), np.bool_)
        if new.any():
            first = np.zeros(len(counts), np.int64)
            first[layouts[::-1]] = np.arange(len(layouts))[::-1]  # the last one assigned stays
            samples[first[new]] = True
        layouts[~(self._learnt | new)[layouts]] = _OTHER
        return layouts, samples

    def learn(self, layouts: Ints, samples: Bools, shaped: ShapedText) -> None:
        """Learn the layouts of samples from their shapes; see `match`."""
        self._tried[layouts[samples]] = True
        numbers, checks = [self._numbers], [self._checks]
        for shape, lines in shaped.groups:
            sampled = lines[samples[shaped.segments[lines]]]
            if shape.words or not len(sampled) or _DIGIT.search(b"".join(shape.unread)):
                continue  # whose lines differ in more than their numbers
            first = shaped.text.first_run[sampled]
            located = shape.numbers.locate(shaped.text.runs, first)
            by_line = np.arange(located.whole.size).reshape(-1, len(first)).T.ravel()
            starts = np.repeat(shaped.text.starts[sampled], len(shape.tag_of))
            numbers.append(located.at(by_line, -starts))
            self._unnumbered.append((shape, len(sampled)))
            for line in sampled.tolist():
                layout = int(layouts[shaped.segments[line]])
                digits = shaped.digits_in_names(shape, line)
                checks.append(digits)
                self._number_lists.append(layout, len(shape.tag_of))
                self._check_lists.append(layout, len(digits))
                self._learnt[layout] = True
                self._unread_of[layout] = self._place_of(shape.unread)
        self._numbers, self._checks = Numbers.joined(numbers), np.concatenate(checks)

    def _place_of(self, unread: tuple[bytes, ...]) -> int:
        if unread not in self._unread:
            self._unread.append(unread)
        return self._unread.index(unread)

    def drop_others(self, segments: Segments, layouts: Ints) -> Ints:
        """Set to 0 the layouts of segments that must be read by shape after all; give these.

        Their layout could not be learnt, or has other digits in a name than the one learnt from.
        """
        owners, items = self._check_lists.expand(layouts)
        offsets, expected = self._checks[items].T
        raw = np.frombuffer(segments.buffer, np.uint8)
        others = ~self._learnt[layouts] & (layouts != _OTHER)
        others[owners[raw[segments.starts[owners] + offsets] != expected]] = True
        layouts[others] = _OTHER
        return np.flatnonzero(others)

    def read(self, segments: Segments, layouts: Ints) -> Iterator[tuple[int, Part]]:
        """The numbers of the segments that have a layout: (tag's number, part) each."""
        unread = self._unread_of[layouts]
        for place in np.flatnonzero(np.bincount(unread)[1:]) + 1:
            self._count.add(self._unread[place], segments.positions[unread == place])
        for shape, count in self._unnumbered:
            tags = np.array([self._book.number(tag, 0) for tag in shape.tags], np.int64)
            self._tags = np.concatenate((self._tags, np.tile(tags[shape.tag_of], count)))
        if self._unnumbered:  # the narrower, the faster they are sorted
            self._tags = self._tags.astype(np.min_scalar_type(-1 - self._tags.max(initial=0)))
        self._unnumbered.clear()
        owners, items = self._number_lists.expand(layouts)
        tags_of = self._tags[items]
        order = np.argsort(tags_of, kind="stable")
        owners, items, tags_of = owners[order], items[order], tags_of[order]
        values, decimals = np.empty(len(items)), np.empty(len(items), np.int64)
        for start in range(0, len(items), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            numbers = self._numbers.at(items[some], segments.starts[owners[some]])
            values[some], decimals[some] = parse_numbers(segments.buffer, numbers)
        cuts = np.flatnonzero(np.diff(tags_of, prepend=tags_of.dtype.type(_DROPPED))).tolist()
        for start, end in pairwise([*cuts, len(items)]):
            yield int(tags_of[start]), (owners[start:end], values[start:end], decimals[start:end])
