"""A block of text cut into segments, which LF and CR end, and what is found in them."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Floats, Ints
from lossaudit.witnesses.text.numbers import PADDING

Part = tuple[Ints, Floats, Ints]
"""Segments in ascending order, their numbers of one tag, and decimals (`NO_DIGITS` for words)."""

NO_DIGITS = 1 << 20

COMMON = 6
"""Segments of one layout or shape from which on it pays to learn it."""

_FOLD = bytes.maketrans(b"123456789\r", b"000000000\n")


class Segments(Struct, frozen=True):
    """The S segments of a block.

    Attributes:
        buffer: the block, and padding.
        layouts: S texts in which every digit is `0`.
        starts, ends: shape (S,), offsets in the buffer.
        positions: shape (S,), the line of each in the file.
    """

    buffer: bytes
    layouts: list[bytes]
    starts: Ints
    ends: Ints
    positions: Ints

    def text(self, segment: int) -> bytes:
        """A segment without its end."""
        return self.buffer[self.starts[segment] : self.ends[segment]]


def cut_segments(block: bytes, first: int, *, count_segments: bool = False) -> Segments:
    """Cut a block.

    Args:
        block: text that ends in LF or CR.
        first: the number of its first line.
        count_segments: positions count segments, not lines: for a file without any LF.
    """
    folded = block.translate(_FOLD)
    ends = np.flatnonzero(np.frombuffer(folded, np.uint8) == 0x0A)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if count_segments:
        positions = first + np.arange(len(ends))
    else:
        feeds = np.frombuffer(block, np.uint8)[ends] == 0x0A
        positions = first + np.cumsum(feeds) - feeds
    layouts = folded.split(b"\n")
    layouts.pop()
    return Segments(block + b"\n" * PADDING, layouts, starts, ends, positions)
