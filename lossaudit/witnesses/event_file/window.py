"""The stretch of a stream that is held in memory."""

from __future__ import annotations

from collections.abc import Iterator

_AHEAD = 1 << 16


class Window:
    """Bytes of a stream by their offset; moves forward only.

    Attributes:
        content: the bytes held.
        base: the offset of the first of them.
    """

    __slots__ = ("_blocks", "base", "content")

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.content = b""
        self.base = 0

    def hold(self, position: int, size: int) -> int:
        """Hold the `size` bytes from `position` on, or as many of them as the stream has.

        What lies before `position` may be dropped. Only bytes that exist are ever held, whatever
        `size` says.

        Returns:
            Where `position` now lies in `content`.
        """
        at = position - self.base
        missing = size - (len(self.content) - at)
        if missing <= 0:
            return at
        pieces = [self.content[at:]]
        missing += _AHEAD  # so that small blocks do not mean many copies
        while missing > 0 and (block := next(self._blocks, b"")):
            pieces.append(block)
            missing -= len(block)
        if len(pieces) == 1:
            return at
        self.content, self.base = b"".join(pieces), position
        return 0

    def bytes_at(self, position: int, size: int) -> bytes:
        """The `size` bytes from `position` on, fewer where the stream ends before; see `hold`."""
        at = self.hold(position, size)
        return self.content[at : at + size]
