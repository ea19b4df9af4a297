"""Finds the next good record after damage, at a cost that no content can drive up."""

from __future__ import annotations

import numpy as np
from google_crc32c import value as crc32c
from numpy.typing import NDArray

from lossaudit.witnesses.event_file.crc import effects, masked
from lossaudit.witnesses.event_file.framing import HEADER, LONGEST_RECORD, OVERHEAD, is_whole
from lossaudit.witnesses.event_file.window import Window

LONGEST_SOUGHT = 1 << 24
"""What a search takes for a record has at most 16 MiB."""

CHEAP = 1 << 12
"""Records of up to 4 KiB are checked whatever was checked in vain before."""

_FIRST_STEP, _LONGEST_STEP = 1 << 12, 1 << 20
_CREDIT, _CREDIT_PER_BYTE = LONGEST_RECORD + (1 << 26), 32


class Search:
    """Looks for good records in one stream.

    To believe a header costs a CRC over all that it announces, so forged headers could drive the
    cost to the square of the file's size. Therefore what is checked in vain has a limit for the
    whole stream: 320 MiB, plus 32 bytes for every byte searched. Past it the headers of records of
    more than 4 KiB count as wrong.

    Args:
        window: where the stream stands.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._credit = _CREDIT

    def next_record(self, position: int) -> int | None:
        """The first offset from `position` on at which a good record lies, or None."""
        step = _FIRST_STEP
        while True:
            stretch = self._window.bytes_at(position, step + HEADER - 1)
            self._credit += _CREDIT_PER_BYTE * min(len(stretch), step)
            for offset, length in find_headers(stretch):
                if self.is_good(position + offset, length):
                    return position + offset
            if len(stretch) < step + HEADER - 1:
                return None
            position += step
            step = min(2 * step, _LONGEST_STEP)

    def is_good(self, position: int, length: int) -> bool:
        """Whether a record whose header announces `length` bytes is there and right."""
        size = length + OVERHEAD
        if not 0 < length <= LONGEST_RECORD or size > max(self._credit, CHEAP):
            return False
        good = is_whole(self._window.bytes_at(position, size), length)
        if not good:
            self._credit -= size
        return good


def find_headers(stretch: bytes) -> list[tuple[int, int]]:
    """Every (offset, length) at which 12 bytes are a right header of a record worth a look."""
    content = np.frombuffer(stretch, np.uint8)
    count = len(content) - HEADER + 1
    if count <= 0:
        return []
    high_is_zero = content[4 : 4 + count] == 0
    for place in (5, 6, 7):
        high_is_zero &= content[place : place + count] == 0
    low = content[:count] | content[1 : 1 + count]
    for place in (2, 3):
        low |= content[place : place + count]
    offsets = np.flatnonzero(high_is_zero & (low != 0))  # disks leave long runs of zeros
    announced, stored = _numbers_at(content, offsets), _numbers_at(content, offsets + 8)
    crc = np.full(len(offsets), crc32c(bytes(8)), np.uint32)
    for place in range(4):
        crc ^= effects(7 - place)[content[offsets + place]]
    right = (masked(crc) == stored) & (announced <= LONGEST_SOUGHT)
    return list(zip(offsets[right].tolist(), announced[right].tolist(), strict=True))


def _numbers_at(content: NDArray[np.uint8], offsets: NDArray[np.intp]) -> NDArray[np.uint32]:
    """The little-endian 32-bit numbers at some offsets."""
    number = np.zeros(len(offsets), np.uint32)
    for place in range(4):
        number |= content[offsets + place].astype(np.uint32) << np.uint32(8 * place)
    return number
