"""Decodes many records at once: those that are laid out as records before them were."""

from __future__ import annotations

import numpy as np

from lossaudit.model.table import Ints
from lossaudit.witnesses.event_file.crc import Crcs, effects, masked
from lossaudit.witnesses.event_file.framing import HEADER, OVERHEAD
from lossaudit.witnesses.event_file.layouts import LONGEST, Layouts, Tails
from lossaudit.witnesses.event_file.prefix import Prefix, read_prefix
from lossaudit.witnesses.event_file.rows import Rows
from lossaudit.witnesses.event_file.run import Group

FEWEST = 32
"""As many records of one size are worth the while."""

_MOST_PREFIXES = 4


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
        sizes = np.diff(starts)
        counts = np.bincount(sizes[sizes <= LONGEST + OVERHEAD])
        for size in np.flatnonzero(counts >= FEWEST).tolist():
            self._decode_size(np.flatnonzero(sizes == size), size)

    def _decode_size(self, members: Ints, size: int) -> None:
        """Decode the records of one size."""
        for _ in range(_MOST_PREFIXES):
            if len(members) < FEWEST:
                return
            first = int(self._starts[members[0]])
            prefix = read_prefix(self._content[first + HEADER : first + size - 4])
            if prefix is None:
                return
            rows = Rows.gather(self._content, self._starts[members], size)
            mine = prefix.is_at(rows, HEADER)
            if not mine.all():
                rest, members, rows = members[~mine], members[mine], Rows(rows.content[mine])
            else:
                rest = members[:0]
            for tails in self._layouts.of_length(size - OVERHEAD - prefix.size):
                self._decode_tails(members, rows, prefix, tails)
            members = rest

    def _decode_tails(self, members: Ints, rows: Rows, prefix: Prefix, tails: Tails) -> None:
        """Decode the records that have one prefix and one of some tails."""
        tail_at = HEADER + prefix.size
        which, right = tails.find(rows, tail_at)
        crc = tails.crcs(prefix)[which]
        end = rows.size - 4
        for place in prefix.varying:
            _change(crc, rows, HEADER + place)
        for place in tails.places:
            for byte in range(4):
                _change(crc, rows, tail_at + place + byte)
        right &= masked(crc) == rows.crcs(end)
        if not right.any():
            return
        if not right.all():
            members, which, rows = members[right], which[right], Rows(rows.content[right])
        self.done[members] = True
        self.steps[members] = prefix.steps(rows, HEADER)
        values = [rows.floats(tail_at + place) for place in tails.places]
        self.groups.append(Group(members, which, tails.tags.copy(), values))


def _change(crc: Crcs, rows: Rows, place: int) -> None:
    """Take a byte that varies into the CRCs of payloads that were computed with zero there."""
    crc ^= effects(rows.size - 4 - 1 - place).take(rows.column(place))
