"""The shape of a line: its text with what varies from line to line folded away.

A run of digits becomes `0`, three or more spaces become two, a minus sign before a number goes, and
so do all but the first block of a progress bar. The lines of a log share a few shapes, and the
grammar of `lossaudit.witnesses.text.pairs` cannot tell lines of one shape apart but by digits
inside names. So one line per shape is parsed, and what was learnt says which digit runs of all its
other lines are numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lossaudit.model.table import Bools, Ints
from lossaudit.witnesses.text.numbers import PADDING, Bytes, DigitRuns, NumberRuns
from lossaudit.witnesses.text.pairs import MEAN, Pair, find_pairs
from lossaudit.witnesses.text.tags import TagBook

_FOLD = bytes.maketrans(b"123456789\r", b"000000000\n")
_BEFORE_SIGN = np.isin(np.arange(256), list(b" =:([,'"))
_NUMBER = re.compile(rb"[-+]?(\d++)(?:\.(\d++))?+(?:[eE]([-+]?)(\d++))?+")
_DIGITS = re.compile(rb"\d++")
_LONGEST_CHECK = 64


@dataclass(frozen=True, slots=True)
class FoldedText:
    """A block cut into segments (at LF and CR), with the shape of each.

    Attributes:
        runs: the block's digit runs; its buffer is the block between a newline and padding.
        shapes: S segments, folded.
        starts, ends: shape (S,), offsets of the segments in the buffer.
        first_run: shape (S,), the first digit run at or after each segment's start.
        line_feeds: shape (S,), how many LF stand before each segment.
    """

    runs: DigitRuns
    shapes: list[bytes]
    starts: Ints
    ends: Ints
    first_run: Ints
    line_feeds: Ints

    def segment(self, i: int) -> bytes:
        """The text of a segment without its end."""
        return self.runs.buffer[self.starts[i] : self.ends[i]]


def fold(block: bytes) -> FoldedText:
    """Cut and fold a block that ends in LF or CR."""
    buffer = b"\n" + block + b"\n" * (PADDING - 1)
    raw = np.frombuffer(buffer, np.uint8)
    folded = np.frombuffer(buffer.translate(_FOLD), np.uint8)
    digit = folded == 0x30
    edges = np.flatnonzero(digit[1:] != digit[:-1]) + 1
    runs = DigitRuns(buffer, edges[::2], edges[1::2] - edges[::2])
    ends = np.flatnonzero(folded == 0x0A)[: 1 - PADDING]
    line_feeds = np.cumsum(raw[ends] == 0x0A) - 1
    shapes = folded[_kept(buffer, raw, digit)].tobytes().split(b"\n")
    starts = ends[:-1] + 1
    first_run = np.searchsorted(runs.starts, starts)
    return FoldedText(runs, shapes[1 : len(ends)], starts, ends[1:], first_run, line_feeds[:-1])


def _kept(buffer: bytes, raw: Bytes, digit: Bools) -> Bools:
    """Which bytes of a text its shape keeps."""
    drop = np.zeros(len(raw), np.bool_)
    np.logical_and(digit[1:], digit[:-1], out=drop[1:])
    space = raw == 0x20
    drop[2:] |= space[2:] & space[1:-1] & space[:-2]
    if b"##" in buffer:
        mark = raw == 0x23
        drop[1:] |= mark[1:] & mark[:-1]
    if b"-" in buffer:
        sign = np.flatnonzero(raw == 0x2D)
        drop[sign[digit[sign + 1] & _BEFORE_SIGN[raw[sign - 1]]]] = True
    if b"\xe2\x96" in buffer:
        bar = np.flatnonzero((raw[:-2] == 0xE2) & (raw[1:-1] == 0x96) & (raw[2:] >> 5 == 4))
        drop[bar + 2] = True
        again = bar[1:][np.diff(bar) == 3]
        drop[again] = drop[again + 1] = True
    return ~drop


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the numbers are in every line of one shape.

    Attributes:
        tags: shape (K,), the tags' numbers.
        numbers: K numbers as digit runs, counted from the line's first.
        words: tags whose value is a word of the shape: nan or an infinity.
        checks: digit runs inside names: (run, the digits and the byte before them).
    """

    tags: Ints
    numbers: NumberRuns
    words: tuple[tuple[int, float], ...]
    checks: tuple[tuple[int, bytes], ...]


def learn_shape(line: bytes, book: TagBook, number: int) -> Shape | None:
    """The shape of a line, or None if only the general path can read such lines.

    Args:
        line: one line of that shape without its end.
        book: numbers the tags.
        number: the line's number in the file.
    """
    ordinals = {m.start(): i for i, m in enumerate(_DIGITS.finditer(line))}
    parts: list[tuple[int, int, int, int]] = []
    tags: list[int] = []
    words: list[tuple[int, float]] = []
    checks: list[tuple[int, bytes]] = []
    for pair in find_pairs(line):
        checks += _checks(line, pair, ordinals)
        tag = book.number(pair.tag, number)
        if tag < 0 or tag in tags or any(tag == t for t, _ in words):
            continue
        match = _NUMBER.fullmatch(line, pair.start, pair.end)
        if match:
            tags.append(tag)
            whole, fraction, exponent = (ordinals.get(match.start(g), -1) for g in (1, 2, 4))
            parts.append((whole, fraction, exponent, match[3] == b"-"))
        elif line[pair.end - 1 : pair.end].isalpha():
            words.append((tag, float(line[pair.start : pair.end])))
        else:
            return None
    if any(len(before) > _LONGEST_CHECK for _, before in checks):
        return None
    columns = np.array(parts, dtype=np.int64).reshape(-1, 4).T
    return Shape(np.array(tags, np.int64), NumberRuns(*columns), tuple(words), tuple(set(checks)))


def _checks(line: bytes, pair: Pair, ordinals: dict[int, int]) -> list[tuple[int, bytes]]:
    """The digit runs of a pair's name, with the byte before each."""
    name = pair.tag.removesuffix(MEAN)
    found = _DIGITS.finditer(line, pair.name, pair.name + len(name))
    return [(ordinals[m.start()], (b"\n" + line)[m.start() : m.end() + 1]) for m in found]
