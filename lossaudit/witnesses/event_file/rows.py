"""Records of one size, read column by column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossaudit.model.table import Bools, Floats, Ints

Bytes = NDArray[np.uint8]


class Rows:
    """Byte strings of one size, equally far from one another in a buffer.

    Args:
        buffer: what holds them.
        begin: where the first begins.
        stride: how far the next one is.
        count: how many there are.
        size: bytes of each.
    """

    __slots__ = ("_begin", "_buffer", "_count", "_stride", "size")

    def __init__(
        self, buffer: bytes | Bytes, begin: int, stride: int, count: int, size: int
    ) -> None:
        self._buffer, self._begin, self._stride, self._count = buffer, begin, stride, count
        self.size = size

    @classmethod
    def of(cls, content: Bytes) -> Rows:
        """The rows of an array of shape (rows, size)."""
        count, size = content.shape
        return cls(np.ascontiguousarray(content), 0, size, count, size)

    @classmethod
    def gather(cls, content: bytes, starts: Ints, size: int) -> Rows:
        """The `size` bytes from each of some offsets on."""
        everywhere = np.ndarray((len(content) - size + 1,), f"V{size}", content, 0, (1,))
        return cls.of(everywhere[starts].view(np.uint8).reshape(-1, size))

    def __len__(self) -> int:
        return self._count

    @property
    def content(self) -> Bytes:
        """Shape (rows, size)."""
        shape, strides = (self._count, self.size), (self._stride, 1)
        return np.ndarray(shape, np.uint8, self._buffer, self._begin, strides)

    def where(self, chosen: Bools) -> Rows:
        """Some of the rows."""
        return Rows.of(self.content[chosen])

    def column(self, at: int) -> Bytes:
        """Shape (rows,): one byte of each."""
        return self._numbers(at, "u1")

    def pairs(self, at: int) -> NDArray[np.uint16]:
        """Shape (rows,): the little-endian 16-bit number at byte `at` of each."""
        return self._numbers(at, "<u2")

    def words(self, at: int) -> NDArray[np.uint64]:
        """Shape (rows,): the little-endian 64-bit number at byte `at` of each."""
        return self._numbers(at, "<u8")

    def crcs(self, at: int) -> NDArray[np.uint32]:
        """Shape (rows,): the little-endian 32-bit number at byte `at` of each."""
        return self._numbers(at, "<u4")

    def floats(self, at: int) -> Floats:
        """Shape (rows,): the float32 at byte `at` of each."""
        with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
            return self._numbers(at, "<f4").astype(np.float64)

    def _numbers(self, at: int, dtype: str) -> NDArray[Any]:
        if not self._count:  # then the buffer may be too short
            return np.zeros(0, dtype)
        return np.ndarray((self._count,), dtype, self._buffer, self._begin + at, (self._stride,))
