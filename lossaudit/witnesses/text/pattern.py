"""Reads text by the user's own regular expression (`--pattern`, `log.pattern`), in linear time."""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.model.table import Damage, Table
from lossaudit.spec.line_pattern import END, compile_pattern
from lossaudit.witnesses.columns import STRETCH, TableBuilder, count_decimals, parse_number
from lossaudit.witnesses.lines import SegmentBlock, segment_blocks
from lossaudit.witnesses.stream import LogStream


def read_pattern(stream: LogStream, pattern: str) -> Iterator[Table | Damage]:
    """Apply a pattern to every line (also every CR segment); each named group is a tag.

    A line that does not match is passed over, as is a group that holds no number. Positions are
    lines; in a file without any LF in its first 64 KiB they count CR segments.

    Raises:
        UsageError: if RE2 rejects the pattern or it names no group.
    """
    compiled = compile_pattern(pattern)
    groups = list(compiled.groupindex.items())
    builder = TableBuilder()
    for item in segment_blocks(stream):
        if isinstance(item, Damage):
            yield item
            continue
        for number, text in _segments(item):
            match = compiled.search(text)
            if match:
                _add(builder, number, [(tag, match[i]) for tag, i in groups])
        if len(builder) >= STRETCH:
            yield builder.build(stream.name)
    if len(builder):
        yield builder.build(stream.name)


def _segments(block: SegmentBlock) -> Iterator[tuple[int, bytes]]:
    if block.counts_segments:
        yield from enumerate(END.split(block.text), block.first)
        return
    for number, line in enumerate(block.text.split(b"\n"), block.first):
        for text in line.split(b"\r"):
            yield number, text


def _add(builder: TableBuilder, number: int, groups: list[tuple[str, bytes | None]]) -> None:
    begun = False
    for tag, text in groups:
        shown = text.decode(errors="replace") if text is not None else ""
        value = parse_number(shown)
        if value is None:
            continue
        if not begun:
            builder.begin(number)
            begun = True
        builder.add(tag, value, count_decimals(shown))
