"""Reads text by the user's own regular expression (`--pattern`), in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lossaudit.errors import UsageError
from lossaudit.model.table import Damage, Table
from lossaudit.witnesses.columns import STRETCH, TableBuilder, count_decimals, parse_number
from lossaudit.witnesses.lines import SegmentBlock, segment_blocks
from lossaudit.witnesses.stream import LogStream

_EXPECTED = "a regular expression in RE2 syntax with a named group per tag"
_HINT = r"--pattern 'step (?P<step>\d+) loss (?P<loss>\S+)'"
_END = re.compile(rb"[\r\n]")
_CONTEXT = re.compile(r"(?::\s*)(.*)\Z", re.DOTALL)


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


def compile_pattern(pattern: str) -> Any:
    """Compile with RE2.

    Raises:
        UsageError: as `read_pattern`.
    """
    import re2

    settings = re2.Options()
    settings.log_errors = False
    try:
        compiled = re2.compile(pattern, settings)
    except re2.error as error:
        reason = error.args[0] if error.args else b"not a regular expression"
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise UsageError(
            f"--pattern {pattern!r}, column {_column(pattern, said)}: {said}",
            expected=_EXPECTED,
            hint=_HINT,
        ) from None
    if not compiled.groupindex:
        raise UsageError(
            f"--pattern {pattern!r}, column 1: it has no named group",
            expected=_EXPECTED,
            hint=_HINT,
        )
    return compiled


def _column(pattern: str, said: str) -> int:
    """Where RE2's complaint is, from 1: it quotes the offending part but gives no position."""
    quoted = _CONTEXT.search(said)
    at = pattern.find(quoted[1]) if quoted and quoted[1] else 0
    return max(at, 0) + 1


def _segments(block: SegmentBlock) -> Iterator[tuple[int, bytes]]:
    if block.counts_segments:
        yield from enumerate(_END.split(block.text), block.first)
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
