"""Goes from record to record by their headers alone."""

from __future__ import annotations

import numpy as np

from lossaudit.model.table import Ints
from lossaudit.witnesses.event_file.framing import HEADER, OVERHEAD, read_length
from lossaudit.witnesses.event_file.rows import Rows

# Headers of records up to 4 KiB are kept, to be checked once only.
_MOST_KNOWN, _LONGEST_KNOWN = 1 << 12, 1 << 12

_SHORTEST_WALK = 64
_LONGEST_CYCLE = 256
_ALIKE = 16  # as many sizes that come again make a cycle


class Walk:
    """Finds where the records of one stream begin.

    Writers log the same tags again and again, so sizes mostly come in a cycle. After a few records
    one by one the cycle is supposed to go on, and all headers are compared at once. Where it does
    not go on far, ever longer stretches are walked before the next try.
    """

    def __init__(self) -> None:
        self._sizes: dict[bytes, int] = {}

    def starts(self, content: bytes, at: int, most: int) -> Ints:
        """Where records begin from `at` on, and where the last of them ends.

        Only records that `content` holds up to their last byte, `most` of them at most. Headers
        are right; payloads have not been looked at.
        """
        starts = np.array([at], np.int64)
        walk = _SHORTEST_WALK
        while len(starts) <= most:
            goal = min(len(starts) + walk, most + 1)
            walked = self._one_by_one(content, int(starts[-1]), goal - len(starts))
            starts = np.concatenate([starts, walked])
            if len(starts) < goal:
                break
            cycle = _cycle(starts[-walk - 1 :])
            repeated = _repeated(content, starts[len(starts) - 1 - cycle :], most + 1 - len(starts))
            starts = np.concatenate([starts, repeated])
            walk = _SHORTEST_WALK if len(repeated) > 4 * walk else 2 * walk
        return starts

    def _one_by_one(self, content: bytes, at: int, most: int) -> Ints:
        """Where the next records end."""
        size_of, ends, end = self._sizes.get, [], len(content)
        for _ in range(most):
            size = size_of(content[at : at + HEADER])
            if size is None:
                size = self._look(content[at : at + HEADER])
            at += size
            if not size or at > end:
                break
            ends.append(at)
        return np.array(ends, np.int64)

    def _look(self, header: bytes) -> int:
        """The size of the record that a header not seen before announces; 0 if it is wrong."""
        length = read_length(header)
        if length is None:
            return 0
        if length <= _LONGEST_KNOWN:
            if len(self._sizes) >= _MOST_KNOWN:
                self._sizes.clear()
            self._sizes[header] = length + OVERHEAD
        return length + OVERHEAD


def _cycle(starts: Ints) -> int:
    """After how many records sizes come again, judged by the last of them; 0 if they do not."""
    sizes = np.diff(starts)
    width, all_sizes = sizes.itemsize, sizes.tobytes()
    last = all_sizes[-_ALIKE * width :]
    found = all_sizes.rfind(last, 0, -width)
    while found % width:  # not at a number's first byte; -1 is not either
        if found < 0:
            return 0
        found = all_sizes.rfind(last, 0, found + len(last) - 1)
    return (len(all_sizes) - len(last) - found) // width


def _repeated(content: bytes, cycle: Ints, most: int) -> Ints:
    """Where records end that follow a cycle of records and have the same headers in turn.

    Args:
        content: bytes that hold the cycle.
        cycle: where its records begin, and where the last of them ends.
        most: how many records to look for at most.
    """
    length, size = len(cycle) - 1, int(cycle[-1] - cycle[0])
    if not 0 < length <= _LONGEST_CYCLE:
        return cycle[:0]
    times = min(most // length, (len(content) - int(cycle[-1])) // size)
    alike = np.ones(times, np.bool_)
    for start in cycle[:-1].tolist():
        header = content[start : start + HEADER]
        others = Rows(content, start + size, size, times, HEADER)
        alike &= others.words(0) == np.uint64(int.from_bytes(header[:8], "little"))
        alike &= others.crcs(8) == np.uint32(int.from_bytes(header[8:], "little"))
    good = times if alike.all() else int(alike.argmin())
    return (cycle[1:] + size * np.arange(1, good + 1)[:, np.newaxis]).ravel()
