"""Pages of mapped files that have been read are given back, so that files may exceed memory.

The kernel would take them back itself when memory is short, but until then they count as ours.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_HELD = 64 << 20
"""Bytes that all threads together have read and not given back."""

_LEAST = 16 << 20
"""Bytes of a storage below which nothing is given back."""

_PAGES_AT_ONCE = 1 << 20
_PRESENT, _SWAPPED, _OF_A_FILE = 1 << 63, 1 << 62, 1 << 61


class MappedPages:
    """What one thread has read since pages were given back.

    Args:
        droppable: see `droppable_storages`.
        threads: how many do the same.
    """

    def __init__(self, droppable: frozenset[int], threads: int = 1) -> None:
        self._droppable = droppable
        self._most = _HELD // threads
        self._ranges: list[tuple[int, int]] = []
        self._bytes = 0

    def have_read(self, blocks: Sequence[Tensor]) -> None:
        """Note contiguous blocks of mapped tensors, and give pages back when there are many."""
        if not self._droppable:
            return
        for block in blocks:
            if block.is_contiguous() and _start_of(block) in self._droppable:
                start, size = block.data_ptr(), block.nbytes
                self._ranges.append((start, start + size))
                self._bytes += size
        if self._bytes >= self._most:
            self.release()

    def release(self) -> None:
        """Give back every whole page that was read; reading it again maps it again."""
        page = mmap.PAGESIZE
        for start, end in _joined(self._ranges):
            first, last = -(-start // page) * page, end // page * page
            if first < last:
                _madvise()(first, last - first, mmap.MADV_DONTNEED)
        self._ranges, self._bytes = [], 0


def droppable_storages(tensors: Sequence[Tensor]) -> frozenset[int]:
    """The addresses of the tensors' storages that are large, clean parts of mapped files."""
    if sys.platform != "linux":
        return frozenset()
    sizes = {_start_of(t): t.untyped_storage().nbytes() for t in tensors if t.device.type == "cpu"}
    return frozenset(a for a, n in sizes.items() if n >= _LEAST and is_clean_file(a, a + n))


def is_clean_file(start: int, end: int) -> bool:
    """Whether memory is a mapped file of which no page has been written to.

    Only then may pages be dropped: of any other memory that would lose what it holds.

    Args:
        start, end: addresses.
    """
    covered = start
    for low, high, is_file, is_private in _mappings():
        if low <= covered < high:
            if not is_file or (is_private and _has_own_pages(covered, min(high, end))):
                return False
            covered = high
            if covered >= end:
                return True
    return False


def _start_of(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _mappings() -> Iterator[tuple[int, int, bool, bool]]:
    """(start, end, is a file, may have pages of its own) of this process's mappings, ascending."""
    try:
        with open("/proc/self/maps", "rb") as lines:
            for line in lines:
                bounds, flags, _, _, inode, *_ = line.split(maxsplit=5)
                low, high = (int(address, 16) for address in bounds.split(b"-"))
                yield low, high, inode != b"0", flags[3:4] == b"p"
    except OSError:
        return


def _has_own_pages(start: int, end: int) -> bool:
    """Whether a private mapping has copies of pages, made because somebody wrote to them.

    Source:
        Linux, Documentation/admin-guide/mm/pagemap.rst: bits 61 to 63 of an entry.
    """
    import numpy as np

    page = mmap.PAGESIZE
    first, last = start // page, -(-end // page)
    try:
        file = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        for at in range(first, last, _PAGES_AT_ONCE):
            count = min(_PAGES_AT_ONCE, last - at)
            entries = np.frombuffer(os.pread(file, 8 * count, 8 * at), np.uint64)
            there = (entries & np.uint64(_PRESENT | _SWAPPED)) != 0
            if len(entries) < count or (there & ((entries & np.uint64(_OF_A_FILE)) == 0)).any():
                return True
    except OSError:
        return True
    finally:
        os.close(file)
    return False


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
