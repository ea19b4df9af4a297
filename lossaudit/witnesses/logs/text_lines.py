"""Training text: progress bars, `logging` lines, loguru, dict prints, anything with `name: number`.

What counts as a name and a number is stated in `lossaudit.witnesses.text.pairs`, and for lines as
`iter 0: loss 4.2781, time 12.34ms` in `lossaudit.witnesses.text.spaced`. A line with at
least one pair is a record; others are passed over. The redraws of a progress bar (ended by CR) are
a record each; their position is that of the line (ended by LF) in which they stand, or, in a file
whose first 64 KiB have no LF, the number of the redraw, counted from 1 as if CR ended lines.
Terminal colours are removed. Of a tag that comes twice in a line the first number is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lossaudit.model.table import Damage, Table, Unread
from lossaudit.witnesses.lines import segment_blocks, utf8_head
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

if TYPE_CHECKING:
    from lossaudit.witnesses.text.tags import TagBook

_ESCAPE = re.compile(rb"\x1b\[[0-9;?]*+[A-Za-z]")
_JSON_START = re.compile(rb'\s*+(?:\{\s*+(?:"|\}|\Z)|\[\s*+(?:\{|\Z))')


def _sniff(head: bytes, name: str) -> int:
    """20 for one line with a pair, up to 60 where all have one; 0 for JSON and binary content."""
    head = utf8_head(head)
    if b"\0" in head or _JSON_START.match(head):
        return 0
    from lossaudit.witnesses.text.pairs import find_pairs

    lines = [line for line in re.split(rb"[\r\n]", _ESCAPE.sub(b"", head)) if line.strip()]
    found = sum(1 for line in lines if find_pairs(line))
    return 20 + 40 * found // len(lines) if found else 0


def _read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage | Unread]:
    if (pattern := options.pattern_for(stream.head)) is not None:
        from lossaudit.witnesses.text.pattern import read_pattern

        yield from read_pattern(stream, pattern)
        return
    from lossaudit.witnesses.text.bulk import BlockReader
    from lossaudit.witnesses.text.tags import TagBook

    book = TagBook(stream.name)
    blocks = BlockReader(stream.name, book)
    redrawn = False
    for block in segment_blocks(stream):
        if isinstance(block, Damage):
            yield block
            continue
        first, counts_segments, stored = block
        text = _ESCAPE.sub(b"", stored) if b"\x1b" in stored else stored
        if stored.endswith((b"\n", b"\r")):
            table = blocks.read(text, first, count_segments=counts_segments)
            if table.records:
                yield table
        else:
            yield from _read_tail(text, redrawn, book, stream.name, first)
        yield from book.damage()
        redrawn = stored.endswith(b"\r")
    yield from blocks.unread()


def _read_tail(
    text: bytes, redrawn: bool, book: TagBook, source: str, number: int
) -> Iterator[Table | Damage]:
    """The last line of a file that ends without a line end; its last number may be cut short."""
    from lossaudit.witnesses.columns import TableBuilder
    from lossaudit.witnesses.text.pairs import find_pairs
    from lossaudit.witnesses.text.tags import read_pairs

    complete = redrawn and text.rstrip()[-1:] in (b"]", b"}", b")")
    pairs = find_pairs(text)
    if not pairs:
        return
    builder = TableBuilder()
    numbers = read_pairs(text, pairs if complete else pairs[:-1], book, number)
    if numbers:
        builder.begin(number)
        for tag, value, decimals in numbers:
            builder.add(book.names[tag], value, decimals)
        yield builder.build(source)
    if not complete:
        name = pairs[-1].tag.decode(errors="replace")
        message = f"the last line has no end, so {name[:80]!r} may be cut and is left out"
        yield Damage(message, source, number, partial_tail=True)


TEXT = Reader(
    name="text",
    summary="any text with `name: number` or `name=number`: tqdm, logging, loguru, dict prints; "
    "lines of a training with `name number`: nanoGPT, llm.c, fairseq",
    sniff=_sniff,
    read=_read,
)
