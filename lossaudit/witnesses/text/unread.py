"""Names of a line whose number was not read: `loss: 1,569.2`, or `step 61 loss 2.5 spike!`.

A log may name its total where it is large, or where something else stands in the line, in a way
that the grammar refuses. Nobody may take such lines for audited.

A name is told by `:` or `=` with a digit behind it, or in a line with a counter by one to four
words before a digit. Which of the names matter is known only where those of the other lines are.
As in `lossaudit.witnesses.text.pairs`, only the shape of a line decides, in linear time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct, field

from lossaudit.model.table import Ints
from lossaudit.witnesses.text.pairs import find_pairs, name_before
from lossaudit.witnesses.text.parts import with_part
from lossaudit.witnesses.text.spaced import is_of_other_data
from lossaudit.witnesses.text.words import Pair, counts

_SEPARATED = re.compile(rb"[:=][ \t]*+['\"]?+[-+]?+\.?+(?P<number>\d)")
_WORD = rb"[A-Za-z_][\w/.@+-]*+"
_SPACED = re.compile(
    rb"(?<![\w/.@+-])(?P<name>WORD(?:[ ]WORD){0,3}+)[ ]++[-+]?+\.?+(?P<number>\d)".replace(
        b"WORD", _WORD
    )
)


class UnreadCount(Struct):
    """Tags that some lines name without a number that can be read.

    Attributes:
        found: tag -> (how many lines, the position of the first).
    """

    found: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def add(self, tags: Iterable[bytes], positions: Ints) -> None:
        """Count lines at these positions that name these tags."""
        for tag in tags:
            count, first = self.found.get(tag, (0, int(positions[0])))
            self.found[tag] = count + len(positions), min(first, int(positions.min()))


def find_unread(line: bytes) -> tuple[bytes, ...]:
    """The tags that a line names and has no number of, each once.

    Example:
        >>> find_unread(b"step: 7, loss: 1,569.2, kl: 0.5")
        (b'loss',)
        >>> find_unread(b"step 61 loss 2.5 kl 0.5 spike!")
        (b'loss', b'kl')
    """
    pairs = find_pairs(line)
    ends = sorted((p.name, p.end) for p in pairs)
    found = [*_separated(line, ends)]
    if any(counts(p.tag) for p in pairs) and not is_of_other_data(line, pairs):
        found += _spaced(line, ends)
    if not found:
        return ()
    bare = [p._replace(tag=p.tag[len(p.part) :], part=b"") for p in pairs]
    merged = with_part(line, sorted([*bare, *found], key=lambda p: p.start))
    read = {p.tag for p in pairs}
    starts = {p.start for p in found}
    return tuple(dict.fromkeys(p.tag for p in merged if p.start in starts and p.tag not in read))


def _is_read(ends: list[tuple[int, int]], at: int) -> bool:
    """Whether a place is in one of the pairs that were read, from its name to its number's end."""
    i = bisect_right(ends, (at, at)) - 1
    return i >= 0 and at < ends[i][1]


def _separated(line: bytes, ends: list[tuple[int, int]]) -> list[Pair]:
    found, done = [], 0
    stops = [end for _, end in ends]
    for match in _SEPARATED.finditer(line):
        if not _is_read(ends, match.start()):
            i = bisect_right(stops, match.start()) - 1
            begin = max(done, stops[i] if i >= 0 else 0)
            name, offset = name_before(line[begin : match.start()])
            if name:
                number = match.start("number")
                found.append(Pair(name, begin + offset, number, number + 1))
        done = match.end()
    return found


def _spaced(line: bytes, ends: list[tuple[int, int]]) -> list[Pair]:
    return [
        Pair(match["name"], match.start(), match.start("number"), match.end())
        for match in _SPACED.finditer(line)
        if not _is_read(ends, match.start()) and not _is_read(ends, match.start("number"))
    ]
