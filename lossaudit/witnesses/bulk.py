"""Large blocks of whole lines, parsed in threads while the reader is busy with those before them.

A bulk path parses a whole block at once, or says that the block is not plain enough for it; the
reader then takes that block line by line. Short logs never start a thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct

from lossaudit.model.table import Damage
from lossaudit.witnesses.lines import line_blocks
from lossaudit.witnesses.stream import HEAD, LogStream

if TYPE_CHECKING:
    from concurrent.futures import Future

LEAST = 1 << 19
"""Bytes of a block from which on it pays to load the bulk parser."""

_PIECES, _PIECES_OF_PIPE = 6, 2
"""MiB of a block. Large ones take fewer calls, but a pipe is to take little memory."""
_AHEAD = 4
_THREADS = 2

Parsed = TypeVar("Parsed")


class Block(Generic[Parsed], Struct, frozen=True):
    """Whole lines of a log.

    Attributes:
        line: the number of the first one, from 1.
        text: the lines; it ends in a newline, unless a line is cut.
        parsed: what a bulk path made of them, or None where they are not plain enough.
    """

    line: int
    text: bytes
    parsed: Parsed | None = None


def parsed_blocks(
    stream: LogStream, parse: Callable[[bytes], Parsed | None]
) -> Iterator[Block[Parsed] | Damage]:
    """The lines of a log in large blocks, in order, those of a long log parsed in advance.

    The first block is the head alone, where a header may stand, and a last line without an end
    comes in a block of its own, with lines before it to judge it by.

    Args:
        stream: the log.
        parse: what to make of the text of a block; runs in threads.
    """
    blocks: Iterator[Block[Parsed] | Damage] = _cut_blocks(stream)
    stream.at_once = _PIECES if stream.path() is not None else _PIECES_OF_PIPE
    for block in blocks:
        if isinstance(block, Block) and len(block.text) >= LEAST:
            yield from _ahead(chain([block], blocks), parse)
            return
        yield block


def _ahead(
    blocks: Iterable[Block[Parsed] | Damage], parse: Callable[[bytes], Parsed | None]
) -> Iterator[Block[Parsed] | Damage]:
    """The same blocks, parsed."""
    from concurrent.futures import ThreadPoolExecutor

    waiting = deque[tuple[Block[Parsed], "Future[Parsed | None]"] | Damage]()
    with ThreadPoolExecutor(_THREADS) as pool:
        for block in blocks:
            if isinstance(block, Damage):
                waiting.append(block)
            else:
                waiting.append((block, pool.submit(parse, block.text)))
            if len(waiting) > _AHEAD:
                yield _finished(waiting.popleft())
        while waiting:
            yield _finished(waiting.popleft())


def _finished(
    item: tuple[Block[Parsed], Future[Parsed | None]] | Damage,
) -> Block[Parsed] | Damage:
    if isinstance(item, Damage):
        return item
    block, future = item
    return Block(block.line, block.text, future.result())


def _cut_blocks(stream: LogStream) -> Iterator[Block[Parsed] | Damage]:
    """`line_blocks`, cut behind the head, and well before a last line without an end."""
    is_first = True
    for item in line_blocks(stream):
        if isinstance(item, Damage):
            yield item
            continue
        line, text = item
        end = HEAD if is_first else len(text) - (0 if text.endswith(b"\n") else HEAD)
        cut = text.rfind(b"\n", 0, max(end, 0)) + 1
        if 0 < cut < len(text):
            yield Block(line, text[:cut])
            line += text.count(b"\n", 0, cut)
            text = text[cut:]
        yield Block(line, text)
        is_first = False
