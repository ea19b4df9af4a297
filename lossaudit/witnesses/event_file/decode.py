"""Decodes many records at once: those that are laid out as records before them were."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from lossaudit.model.table import Ints
from lossaudit.witnesses.event_file.crc import Crcs, effects, masked, pair_effects
from lossaudit.witnesses.event_file.framing import HEADER, OVERHEAD
from lossaudit.witnesses.event_file.layouts import LONGEST, Layouts, Tails
from lossaudit.witnesses.event_file.prefix import Prefix, read_prefix
from lossaudit.witnesses.event_file.rows import Rows
from lossaudit.witnesses.event_file.run import Group

FEWEST = 32
"""As many records of one size are worth the while."""

_MOST_PREFIXES = 4
_SHORTEST = HEADER + 18  # holds the widest look at a prefix
_LONGEST_CYCLE, _FEWEST_CYCLES = 32, 512
_MANY = 1 << 12  # fewer rows are not worth tables for pairs of bytes


class Decoder:
    """Decodes the records of one run.

    Args:
        content: bytes that hold them.
        starts: where in `content` each record begins, and where the last one ends; each header is
            right, and announces what the next start says.
        layouts: what is known of the file.

    Attributes:
        done: shape (records,): those that were decoded; their CRCs were right.
        steps: shape (records,): their steps.
        groups: their numbers.
    """

    def __init__(self, content: bytes, starts: Ints, layouts: Layouts) -> None:
        self.done = np.zeros(len(starts) - 1, np.bool_)
        self.steps = np.zeros(len(starts) - 1, np.int64)
        self.groups: list[Group] = []
        self._content, self._starts, self._layouts = content, starts, layouts
        cycle = self._find_cycle()
        for members, rows in self._by_turn(cycle) if cycle else self._by_size():
            self._decode_rows(members, rows)

    def _by_size(self) -> Iterator[tuple[Ints, Rows]]:
        """All records of one size that is frequent, then those of the next."""
        sizes = np.diff(self._starts)
        counts = np.bincount(sizes[sizes <= LONGEST + OVERHEAD])
        for size in np.flatnonzero(counts >= FEWEST).tolist():
            members = np.flatnonzero(sizes == size)
            yield members, Rows.gather(self._content, self._starts[members], size)

    def _by_turn(self, cycle: int) -> Iterator[tuple[Ints, Rows]]:
        """All records that come first in each turn of a cycle, then those that come second."""
        starts = self._starts
        turn = int(starts[cycle] - starts[0])
        for first in range(cycle):
            members = np.arange(first, len(self.done), cycle)
            begin, size = int(starts[first]), int(starts[first + 1] - starts[first])
            yield members, Rows(self._content, begin, turn, len(members), size)

    def _find_cycle(self) -> int:
        """After how many records the same sizes, and probably the same tags, come again in turn.

        0 if they do not, or do not soon enough that it would be of use.
        """
        starts, count = self._starts, len(self.done)
        first = starts[: 2 * _LONGEST_CYCLE + 1].tolist()
        looks = [(e - b, self._content[e - 16 : e - 8]) for b, e in pairwise(first)]
        longest = min(_LONGEST_CYCLE, count // _FEWEST_CYCLES)
        for cycle in range(1, longest + 1):
            if looks[cycle:] == looks[:-cycle]:
                turns = starts[cycle:] - starts[:-cycle]
                return cycle if (turns == turns[0]).all() else 0
        return 0

    def _decode_rows(self, members: Ints, rows: Rows) -> None:
        """Decode records of one size."""
        for _ in range(_MOST_PREFIXES):
            if len(members) < FEWEST or rows.size < _SHORTEST:
                return
            prefix = read_prefix(rows.content[0, HEADER:-4].tobytes())
            if prefix is None:
                return
            mine = prefix.is_at(rows, HEADER)
            rest = members[:0], rows
            if not mine.all():
                rest = members[~mine], rows.where(~mine)
                members, rows = members[mine], rows.where(mine)
            for tails in self._layouts.of_length(rows.size - OVERHEAD - prefix.size):
                self._decode_tails(members, rows, prefix, tails)
            members, rows = rest

    def _decode_tails(self, members: Ints, rows: Rows, prefix: Prefix, tails: Tails) -> None:
        """Decode the records that have one prefix and one of some tails."""
        tail_at = HEADER + prefix.size
        which, right = tails.find(rows, tail_at)
        if not right.any():
            return
        crc = np.zeros(len(rows), np.uint32)
        crc ^= tails.crcs(prefix)[which]
        for place, count in prefix.varying:
            _change(crc, rows, HEADER + place, count)
        for place in tails.places:
            _change(crc, rows, tail_at + place, 4)
        right &= masked(crc) == rows.crcs(rows.size - 4)
        if not right.any():
            return
        if not right.all():
            members, rows = members[right], rows.where(right)
            which = which[right] if isinstance(which, np.ndarray) else which
        self.done[members] = True
        self.steps[members] = prefix.steps(rows, HEADER)
        values = [rows.floats(tail_at + place) for place in tails.places]
        for tags, chosen in tails.split(which):
            self.groups.append(Group(members[chosen], tags, [v[chosen] for v in values]))


def _change(crc: Crcs, rows: Rows, place: int, count: int) -> None:
    """Take bytes that vary into the CRCs of payloads that were computed with zeros there."""
    behind = rows.size - 4 - place
    pairs = count // 2 if len(rows) >= _MANY else 0
    for at in range(0, 2 * pairs, 2):
        crc ^= pair_effects(behind - at - 2).take(rows.pairs(place + at))
    for at in range(2 * pairs, count):
        crc ^= effects(behind - at - 1).take(rows.column(place + at))
