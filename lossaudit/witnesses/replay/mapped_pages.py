"""Pages of mapped files that have been read are given back, so that files may exceed memory.

The kernel would take them back itself when memory is short, but until then they count as ours.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_AT_ONCE = 16 << 20
"""Bytes that are given back with one call."""

_LEAST = 1 << 20
"""Bytes of a storage below which nothing is given back."""


class MappedPages:
    """What one thread has read since pages were given back."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._bytes = 0
        self._clean: dict[int, bool] = {}

    def have_read(self, blocks: Sequence[Tensor]) -> None:
        """Note contiguous blocks of mapped tensors, and give pages back when there are many."""
        for block in blocks:
            start, size = block.data_ptr(), block.nbytes
            if block.device.type == "cpu" and block.is_contiguous() and self._is_clean(block):
                self._ranges.append((start, start + size))
                self._bytes += size
        if self._bytes >= _AT_ONCE:
            self.release()

    def release(self) -> None:
        """Give back every whole page that was read; reading it again maps it again."""
        page = mmap.PAGESIZE
        for start, end in _joined(self._ranges):
            first, last = -(-start // page) * page, end // page * page
            if first < last:
                _madvise()(first, last - first, mmap.MADV_DONTNEED)
        self._ranges, self._bytes = [], 0

    def _is_clean(self, block: Tensor) -> bool:
        storage = block.untyped_storage()
        start, size = storage.data_ptr(), storage.nbytes()
        if size < _LEAST or sys.platform != "linux":
            return False
        if start not in self._clean:
            self._clean[start] = is_clean_file(start, start + size)
        return self._clean[start]


def is_clean_file(start: int, end: int) -> bool:
    """Whether memory is a mapped file of which no page has been written to.

    Only then may pages be dropped: of any other memory that would lose what it holds.

    Args:
        start, end: addresses.
    """
    covered = start
    for low, high, is_file, anonymous in _mappings():
        if low <= covered < high:
            if not is_file or anonymous:
                return False
            covered = high
            if covered >= end:
                return True
    return False


def _mappings() -> Iterator[tuple[int, int, bool, bool]]:
    """(start, end, is a file, has pages of its own) of this process's mappings, ascending."""
    try:
        lines = Path("/proc/self/smaps").read_bytes().splitlines()
    except OSError:
        return
    low = high = 0
    is_file = False
    for line in lines:
        name, _, rest = line.partition(b" ")
        if not name.endswith(b":"):
            bounds, fields = name.split(b"-"), rest.split()
            low, high, is_file = int(bounds[0], 16), int(bounds[1], 16), fields[3] != b"0"
        elif name == b"Anonymous:":
            yield low, high, is_file, rest.split()[0] != b"0"


def _joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


@cache
def _madvise() -> ctypes._NamedFuncPointer:
    call = ctypes.CDLL(None).madvise
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return call
