"""The shape of a line: its text with what varies from line to line folded away.

A run of digits becomes `0`, three or more spaces become two, a minus sign before a number goes, and
so do all but the first block of a progress bar. The lines of a log share a few shapes, and the
grammar of `lossaudit.witnesses.text.pairs` cannot tell lines of one shape apart but by digits
inside names. So one line per shape is parsed, and what was learnt says which digit runs of all its
other lines are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from lossaudit.model.table import Bools, Ints
from lossaudit.witnesses.text.numbers import PADDING, DigitRuns, Numbers
from lossaudit.witnesses.text.pairs import find_pairs
from lossaudit.witnesses.text.words import MEAN, Pair

_FOLD = bytes.maketrans(b"123456789", b"000000000")
_BEFORE_SIGN = np.isin(np.arange(256), list(b" =:(["))  # after `,` it decides
_NUMBER = re.compile(rb"[-+]?(\d++)(?:\.(\d++))?+(?:[eE]([-+]?)(\d++))?+")
_DIGITS = re.compile(rb"\d++")
_LONGEST_CHECK = 64


class FoldedText(Struct, frozen=True):
    """Lines with the shape of each.

    Attributes:
        buffer: the lines, each ended by LF, between another LF and padding.
        runs: their digit runs.
        shapes: S lines, folded.
        starts: shape (S,), the lines' offsets.
        first_run: shape (S,), the first digit run at or after each line's start.
    """

    buffer: bytes
    runs: DigitRuns
    shapes: list[bytes]
    starts: Ints
    first_run: Ints


def fold(lines: Sequence[bytes]) -> FoldedText:
    """Fold lines without their ends."""
    buffer = b"\n%b\n" % b"\n".join(lines) + b"\n" * PADDING
    raw = np.frombuffer(buffer, np.uint8)
    folded = np.frombuffer(buffer.translate(_FOLD), np.uint8)
    digit = folded == 0x30
    edges = np.flatnonzero(digit[1:] != digit[:-1]) + 1
    runs = DigitRuns(edges[::2], edges[1::2] - edges[::2])
    shapes = folded[_kept(buffer, raw, digit)].tobytes().split(b"\n")[1 : len(lines) + 1]
    starts = np.cumsum([1, *(len(line) + 1 for line in lines)])[:-1]
    return FoldedText(buffer, runs, shapes, starts, np.searchsorted(runs.starts, starts))


def _kept(buffer: bytes, raw: NDArray[np.uint8], digit: Bools) -> Bools:
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


class NumberRuns(Struct, frozen=True):
    """Of which digit runs N numbers consist; -1 where a number lacks that part.

    Attributes:
        whole: shape (N,), the run before the decimal point; never -1.
        fraction: shape (N,), the run after it.
        exponent: shape (N,), the run of the exponent.
        shrinks: shape (N,), 1 where the exponent has a minus sign, else 0.
    """

    whole: Ints
    fraction: Ints
    exponent: Ints
    shrinks: Ints

    def locate(self, runs: DigitRuns, first: Ints) -> Numbers:
        """The numbers of M lines, number by number, N * M in all.

        Args:
            runs: the digit runs of a text.
            first: shape (M,), the run from which each line's runs are counted.
        """
        whole = (self.whole[:, None] + first).ravel()

        def place(part: Ints) -> tuple[Ints, Ints]:
            absent = np.repeat(part < 0, len(first))
            run = np.where(absent, whole, (part[:, None] + first).ravel())
            return runs.starts[run], np.where(absent, 0, runs.lengths[run])

        parts = (*place(self.whole), *place(self.fraction), *place(self.exponent))
        return Numbers(*parts, np.repeat(self.shrinks, len(first)))


class Shape(Struct, frozen=True):
    """Where the numbers are in every line of one shape.

    Attributes:
        tags: the line's tags from left to right, each once.
        numbers: K numbers as digit runs, counted from the line's first.
        tag_of: shape (K,), which tag each number has.
        words: (which tag, its value) where that is a word: nan or an infinity.
        checks: digit runs inside names: (run, its digits and the byte before them).
        unread: tags that the lines name without a number that can be read.
    """

    tags: tuple[bytes, ...]
    numbers: NumberRuns
    tag_of: Ints
    words: tuple[tuple[int, float], ...]
    checks: tuple[tuple[int, bytes], ...]
    unread: tuple[bytes, ...] = ()


def learn_shape(line: bytes) -> Shape | None:
    """The shape of a line without its end, or None if only the general path can read its like."""
    ordinals = {m.start(): i for i, m in enumerate(_DIGITS.finditer(line))}
    parts: list[tuple[int, int, int, int]] = []
    tag_of: list[int] = []
    words: list[tuple[int, float]] = []
    checks: list[tuple[int, bytes]] = []
    tags: dict[str, bytes] = {}
    for pair in find_pairs(line):
        checks += _checks(line, pair, ordinals)
        name = pair.tag.decode(errors="replace")
        if name in tags:
            continue
        tags[name] = pair.tag
        match = _NUMBER.fullmatch(line, pair.start, pair.end)
        if match:
            tag_of.append(len(tags) - 1)
            whole, fraction, exponent = (ordinals.get(match.start(g), -1) for g in (1, 2, 4))
            parts.append((whole, fraction, exponent, match[3] == b"-"))
        elif line[pair.end - 1 : pair.end].isalpha():
            words.append((len(tags) - 1, float(line[pair.start : pair.end])))
        else:
            return None
    if any(len(before) > _LONGEST_CHECK for _, before in checks):
        return None
    numbers = NumberRuns(*np.array(parts, dtype=np.int64).reshape(-1, 4).T)
    which = np.array(tag_of, np.int64)
    return Shape(tuple(tags.values()), numbers, which, tuple(words), tuple(set(checks)))


def _checks(line: bytes, pair: Pair, ordinals: dict[int, int]) -> list[tuple[int, bytes]]:
    """The digit runs of a pair's name, with the byte before each."""
    name = pair.tag[len(pair.part) :].removesuffix(MEAN)
    found = _DIGITS.finditer(line, pair.name, pair.name + len(name))
    return [(ordinals[m.start()], (b"\n" + line)[m.start() : m.end() + 1]) for m in found]
