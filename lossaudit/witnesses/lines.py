"""Cuts a stream into lines of text, whatever its encoding or line ends, in bounded memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lossaudit.model.table import Damage
from lossaudit.witnesses.stream import LogStream

LONGEST_LINE = 1 << 24

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def utf8_head(head: bytes) -> bytes:
    """The first bytes of a log, for sniffing, in UTF-8 without a byte order mark."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return (
                codecs.getincrementaldecoder(encoding)("replace").decode(head[len(mark) :]).encode()
            )
    return head


def line_blocks(stream: LogStream) -> Iterator[tuple[int, bytes] | Damage]:
    """Yield blocks of whole lines in UTF-8, each with the number of its first line.

    A block ends in a newline, except the last of a file that does not. Byte order marks are
    removed and UTF-16 is recoded; invalid UTF-8 passes through, so decode with "replace". A line
    over 16 MiB is cut after a carriage return where it has one (a progress bar that is redrawn for
    days), and else left out and reported as `Damage`. Carriage returns are left in place.

    Yields:
        (line, block): line counts from 1 in the file as stored.
    """
    return _whole_blocks(stream, b"\n", b"\n")


class SegmentBlock(NamedTuple):
    """Text that ends in LF or CR, or the rest of a file that does not.

    Attributes:
        first: the position of its first segment: a line; or a segment, from 1.
        counts_segments: which of the two.
        text: the block.
    """

    first: int
    counts_segments: bool
    text: bytes


def segment_blocks(stream: LogStream) -> Iterator[SegmentBlock | Damage]:
    """Yield blocks of whole segments, which CR ends as well as LF; else as `line_blocks`.

    Positions count lines, or segments in a file without any LF in its first 64 KiB: in that of a
    progress bar all would be one line.
    """
    counts_segments = b"\n" not in utf8_head(stream.head)
    for item in _whole_blocks(stream, b"\n\r", b"\n\r" if counts_segments else b"\n"):
        yield item if isinstance(item, Damage) else SegmentBlock(item[0], counts_segments, item[1])


def _whole_blocks(
    stream: LogStream, ends: bytes, counted: bytes
) -> Iterator[tuple[int, bytes] | Damage]:
    """Yield blocks up to any of some end bytes, and how many of the counted ones came before."""
    line, rest, skipping = 1, bytearray(), False
    for piece in utf8_blocks(stream):
        first = min((at for end in ends if (at := piece.find(end)) >= 0), default=-1)
        if not skipping and len(rest) + (len(piece) if first < 0 else first) > LONGEST_LINE:
            redrawn = rest.rfind(b"\r") + 1
            if redrawn:
                yield line, bytes(memoryview(rest)[:redrawn])
                del rest[:redrawn]
            else:
                yield Damage(f"a line of more than {LONGEST_LINE:,} bytes", stream.name, line)
                rest, skipping = bytearray(), True
        if skipping:
            if first < 0:
                continue
            line += piece[first] in counted
            piece, skipping = piece[first + 1 :], False
        last = max(piece.rfind(end) for end in ends) + 1
        if not last:
            rest += piece
            continue
        block = b"".join((rest, memoryview(piece)[:last]))
        rest = bytearray(memoryview(piece)[last:])
        yield line, block
        line += sum(count_byte(block, end) for end in counted)
    if rest:
        yield line, bytes(rest)


def count_byte(block: bytes, byte: int) -> int:
    """How often a byte occurs; `bytes.count` is slow where it does so often."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == byte))


def numbered_lines(stream: LogStream) -> Iterator[tuple[int, bytes] | Damage]:
    """Yield (line number from 1, line without its end) for every line; see `line_blocks`."""
    for item in line_blocks(stream):
        if isinstance(item, Damage):
            yield item
            continue
        first, block = item
        lines = block.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        yield from enumerate((text.removesuffix(b"\r") for text in lines), first)


def utf8_blocks(stream: LogStream) -> Iterator[bytes]:
    """The content in pieces, recoded to UTF-8 and without a byte order mark."""
    for mark, encoding in _MARKS:
        if stream.head.startswith(mark):
            return _recoded(stream.blocks(), len(mark), encoding)
    return stream.blocks()


def _recoded(blocks: Iterator[bytes], skip: int, encoding: str) -> Iterator[bytes]:
    if encoding == "utf-8":
        yield next(blocks)[skip:]
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    yield decoder.decode(next(blocks)[skip:]).encode()
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()
