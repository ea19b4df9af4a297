"""Keeps arrays in memory up to a budget, and beyond it in an unnamed temporary file."""

from __future__ import annotations

import os
import weakref
from typing import IO, Any

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from lossaudit.errors import InputError

BUDGET = 80 << 20
"""Bytes kept in memory; a log beyond that goes to the temporary folder and is read back in turn."""

_MOST_COUNTED = 1 << 20
_LARGEST = (1 << 63) - 1
_MOST_EXACT = 2.0**53


class Spilled(Struct, frozen=True):
    """An array in the temporary file."""

    offset: int
    count: int
    dtype: np.dtype[Any]


class Steps(Struct, frozen=True):
    """Whole numbers that rise evenly, as float64: what most logs have in a column of their own."""

    run: range


Kept = NDArray[Any] | Spilled | Steps | range
"""An array as the spool keeps it; whole numbers that rise evenly are kept as their range."""


def _as_range(array: NDArray[Any]) -> range | None:
    """The range that an array is, if it is one."""
    if array.dtype not in (np.int64, np.float64) or not len(array):
        return None
    ends = [array[0], array[-1], *array[1:2]]
    if array.dtype == np.float64 and not all(map(_is_count, ends)):
        return None
    first, last = int(ends[0]), int(ends[1])
    step = int(ends[2]) - first if len(array) > 1 else 1
    if step <= 0 or last != first + step * (len(array) - 1) or last > _LARGEST - step:
        return None
    run = range(first, last + step, step)
    whole = np.arange(run.start, run.stop, run.step, dtype=array.dtype)
    return run if np.array_equal(array, whole) else None


def _is_count(number: np.float64) -> bool:
    """Whether a number is one of 0, 1, 2, ... that float64 tells from its neighbours; -0 is not."""
    return bool(0 <= number < _MOST_EXACT and number.is_integer() and not np.signbit(number))


class Spool(Struct, weakref=True):
    """A store of one-dimensional arrays that are written once and read again and again.

    Args:
        budget: bytes that may stay in memory.
    """

    budget: int = BUDGET
    _held: int = 0
    _file: IO[bytes] | None = None
    _end: int = 0
    _counting: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def put(self, array: NDArray[Any]) -> Kept:
        """Keep an array; it must not be changed afterwards.

        Raises:
            InputError: if the temporary folder cannot take what memory may not hold.
        """
        if (run := _as_range(array)) is not None:
            return run if array.dtype == np.int64 else Steps(run)
        if self._held + array.nbytes <= self.budget:
            self._held += array.nbytes
            return array
        return self._spill(array)

    def get(self, kept: Kept) -> NDArray[Any]:
        """The array, from wherever it is."""
        if isinstance(kept, range):
            return self._counted(kept)
        if isinstance(kept, Steps):
            run = kept.run
            return np.arange(run.start, run.stop, run.step, dtype=np.float64)
        if not isinstance(kept, Spilled):
            return kept
        assert self._file is not None
        return _read_at(self._file.fileno(), kept)

    def _counted(self, run: range) -> NDArray[np.int64]:
        """The numbers of a range; records, which every pass asks for, are there already."""
        if run.start or run.step != 1 or run.stop > _MOST_COUNTED:
            return np.arange(run.start, run.stop, run.step, dtype=np.int64)
        if len(self._counting) < run.stop:
            self._counting = np.arange(run.stop, dtype=np.int64)
            self._counting.flags.writeable = False
        return self._counting[: run.stop]

    def _spill(self, array: NDArray[Any]) -> Spilled:
        import tempfile  # most logs need none

        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="lossaudit-")  # noqa: SIM115 - stays open
                weakref.finalize(self, self._file.close)
            self._file.seek(self._end)
            self._file.write(np.ascontiguousarray(array).data)
            self._file.flush()
        except OSError as error:
            raise InputError(
                f"the log is larger than {self.budget >> 20} MiB of numbers and the temporary "
                f"folder {tempfile.gettempdir()!r} cannot take the rest: {error.strerror}",
                hint="name a folder with more room in the environment variable TMPDIR",
            ) from None
        spilled = Spilled(self._end, len(array), array.dtype)
        self._end += array.nbytes
        return spilled


def _read_at(file: int, kept: Spilled) -> NDArray[Any]:
    """An array of the file; its position, which a forked process shares, plays no part."""
    array = np.empty(kept.count, kept.dtype)
    view, done = array.data.cast("B"), 0
    while done < array.nbytes and (count := os.preadv(file, [view[done:]], kept.offset + done)):
        done += count
    if done < array.nbytes:
        raise InputError("the temporary file of this program was cut by another")
    return array
