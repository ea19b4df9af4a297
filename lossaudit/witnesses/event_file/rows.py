"""Records of one size, read column by column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


class Rows:
    """Byte strings of one size.

    Args:
        content: shape (rows, size), contiguous.
    """

    __slots__ = ("content",)

    def __init__(self, content: Bytes) -> None:
        self.content = content

    @classmethod
    def gather(cls, content: bytes, starts: NDArray[np.int64], size: int) -> Rows:
        """The `size` bytes from each of some offsets on."""
        everywhere = np.ndarray((len(content) - size + 1,), f"V{size}", content, 0, (1,))
        return cls(everywhere[starts].view(np.uint8).reshape(-1, size))

    @property
    def size(self) -> int:
        """Bytes in each row."""
        return int(self.content.shape[1])

    def __len__(self) -> int:
        return len(self.content)

    def column(self, at: int) -> Bytes:
        """Shape (rows,): one byte of each."""
        return self.content[:, at]

    def words(self, at: int) -> NDArray[np.uint64]:
        """Shape (rows,): the little-endian 64-bit number at byte `at` of each."""
        return self._numbers(at, "<u8")

    def crcs(self, at: int) -> NDArray[np.uint32]:
        """Shape (rows,): the little-endian 32-bit number at byte `at` of each."""
        return self._numbers(at, "<u4")

    def floats(self, at: int) -> NDArray[np.float64]:
        """Shape (rows,): the float32 at byte `at` of each."""
        with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
            return self._numbers(at, "<f4").astype(np.float64)

    def _numbers(self, at: int, dtype: str) -> NDArray[Any]:
        count, size = self.content.shape
        return np.ndarray((count,), dtype, self.content, at, (size,))
