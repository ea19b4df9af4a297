"""The ways in which a file's events are laid out, learned from examples.

An event is a prefix (wall time and step) and a tail (tags and numbers). Where two tails have the
same length and their numbers in the same places, and all else is equal byte for byte, they say the
same of other numbers: nothing in a number can change what stands around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from google_crc32c import value as crc32c
from msgspec import Struct, field
from numpy.typing import NDArray

from lossaudit.model.table import Bools, Ints
from lossaudit.witnesses.event_file.crc import Crcs
from lossaudit.witnesses.event_file.event import Scalar, lay_out
from lossaudit.witnesses.event_file.prefix import Prefix, read_prefix
from lossaudit.witnesses.event_file.rows import Rows

LONGEST = 1 << 12
"""Only events of up to 4 KiB are learned."""

_MOST, _MOST_PLACES = 1 << 12, 8
_WORD = 8
_SCATTER = 0x9E3779B97F4A7C15  # odd, so that multiplying by it loses nothing

Words = NDArray[np.uint64]


class Tails(Struct, dict=True):
    """The tails that have one length and the same places for numbers.

    Attributes:
        places: where each float32 begins.
        tails: with zeros for the numbers.
        tags: of each tail, by place.
    """

    places: tuple[int, ...]
    tails: list[bytes] = field(default_factory=list)
    tags: list[tuple[str, ...]] = field(default_factory=list)

    def find(self, rows: Rows, at: int) -> tuple[int | Ints, Bools]:
        """Which tail begins at byte `at` of each row, and whether one does.

        If all are one and the same, it is a single number.
        """
        starts, masks, words = self._words
        found = [rows.words(at + start) & mask for start, mask in zip(starts, masks, strict=True)]
        order, known = self._hashes
        of_first = order[np.searchsorted(known, _hash([w[:1] for w in found])) % len(order)]
        equal = _all_equal(found, [word[of_first] for word in words])
        if len(order) == 1 or equal.all():
            return int(of_first[0]), equal
        which = order[np.searchsorted(known, _hash(found)) % len(order)]
        return which, _all_equal(found, [word[which] for word in words])

    def split(self, which: int | Ints) -> Iterator[tuple[tuple[str, ...], Ints | slice]]:
        """(tags, rows that have them) for each tail that `find` found."""
        if isinstance(which, int):
            yield self.tags[which], slice(None)
            return
        order = np.argsort(which.astype(np.uint16), kind="stable")
        bounds = np.cumsum(np.bincount(which, minlength=len(self.tails))).tolist()
        for tags, begin, end in zip(self.tags, [0, *bounds], bounds, strict=False):
            if begin < end:
                yield tags, order[begin:end]

    def crcs(self, prefix: Prefix) -> Crcs:
        """The CRC of each tail behind a prefix, with zeros for all that varies."""
        if prefix not in self._crcs:
            self._crcs[prefix] = np.array([crc32c(prefix.fixed + t) for t in self.tails], np.uint32)
        return self._crcs[prefix]

    @cached_property
    def _crcs(self) -> dict[Prefix, Crcs]:
        return {}

    @cached_property
    def _words(self) -> tuple[list[int], Words, list[Words]]:
        """Where to read 64-bit words, what of them is fixed, and those of each tail."""
        size = len(self.tails[0])
        starts = [*range(0, size - _WORD, _WORD), size - _WORD]
        fixed = np.full(size, 0xFF, np.uint8)
        for place in self.places:
            fixed[place : place + 4] = 0
        joined = np.frombuffer(b"".join([fixed.tobytes(), *self.tails]), np.uint8)
        rows = Rows.of(joined.reshape(-1, size))
        columns = [rows.words(start).copy() for start in starts]
        return starts, np.array([c[0] for c in columns]), [c[1:] for c in columns]

    @cached_property
    def _hashes(self) -> tuple[Ints, Words]:
        """Which tail has the n-th hash, and the hashes in order."""
        hashes = _hash(self._words[2])
        order = np.argsort(hashes)
        return order, hashes[order]

    def add(self, tail: bytes, tags: tuple[str, ...]) -> None:
        """Add a tail that is not among them."""
        self.tails.append(tail)
        self.tags.append(tags)
        for name in ("_words", "_hashes", "_crcs"):
            self.__dict__.pop(name, None)


def _all_equal(words: Sequence[Words], others: Sequence[Words]) -> Bools:
    equal: Bools = words[0] == others[0]
    for mine, theirs in zip(words[1:], others[1:], strict=True):
        equal &= mine == theirs
    return equal


def _hash(words: Sequence[Words]) -> Words:
    total = words[0] * np.uint64(_SCATTER)
    for word in words[1:]:
        total = (total ^ word) * np.uint64(_SCATTER)
    return total


class Layouts:
    """The tails that were learned.

    There are no more than 4,096 of them, with numbers in eight different places where they have
    the same length, so that no file can make us keep or try more.
    """

    def __init__(self) -> None:
        self._by_length: dict[int, dict[tuple[int, ...], Tails]] = {}
        self._known: set[bytes] = set()

    def of_length(self, length: int) -> list[Tails]:
        """The tails of a length, one item for each way to place numbers in them."""
        return list(self._by_length.get(length, {}).values())

    def learn(self, payload: bytes, scalars: Sequence[Scalar]) -> None:
        """Learn an event's tail, if it is laid out as writers do; the event was decoded before."""
        prefix = read_prefix(payload)
        if not scalars or len(payload) > LONGEST or prefix is None:
            return
        tail, places = lay_out([tag for tag, _, _ in scalars])
        tags = tuple(tag.decode("utf-8", "replace") for tag, _, _ in scalars)
        if tail in self._known or len(set(tags)) < len(tags):
            return
        blank = bytearray(payload[prefix.size :])
        for place in places:
            blank[place : place + 4] = bytes(4)
        if blank != tail:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
            self._by_length.clear()
        of_length = self._by_length.setdefault(len(tail), {})
        if places in of_length or len(of_length) < _MOST_PLACES:
            self._known.add(tail)
            of_length.setdefault(places, Tails(places)).add(tail, tags)
