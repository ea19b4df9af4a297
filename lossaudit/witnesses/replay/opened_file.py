"""One stored file, opened once: what is hashed, what is checked and what is mapped are the same.

A path may name another file a moment later. So a file is opened once, and its size, its digest and
its content all come through that one descriptor. Small files are read into memory, where nobody
can change them; large ones are mapped, and whether somebody wrote to them meanwhile can be asked.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import sys
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from lossaudit.errors import InputError
from lossaudit.model.replay import StoredFile

SMALL = 16 << 20
"""Bytes up to which a file is read instead of mapped; mapping pays for weights, not for batches."""

_HASHED_AT_ONCE = 4 << 20

_NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
"""Of <sys/mman.h>; Python has a name for it since 3.13. Without it Linux refuses to map a file that
is larger than its memory, for the pages might be written to, which nobody does."""


class OpenedFile:
    """A regular file, its digest on the way.

    Attributes:
        path: as found.
        size: bytes.
    """

    def __init__(self, path: str, descriptor: int, status: os.stat_result) -> None:
        self.path = path
        self.size = status.st_size
        self.descriptor = descriptor
        self._status = status
        self._content: bytearray | None = None
        self._digest: Future[str] | None = None
        weakref.finalize(self, os.close, descriptor)
        if self.size <= SMALL:
            self._content = bytearray(self.read(0, self.size))
            if len(self._content) < self.size:
                raise InputError("became shorter while it was read", where=path)

    def read(self, start: int, size: int) -> bytes:
        """Up to `size` bytes from there; fewer at the end of the file."""
        if self._content is not None:
            return bytes(self._content[start : start + size])
        try:
            return _read(self.descriptor, start, min(size, self.size - start))
        except OSError as error:
            raise self._unreadable(error) from None

    def content(self) -> bytearray | mmap.mmap:
        """All bytes, in memory or mapped; private, so that no write reaches the file.

        A mapped file that somebody cuts while its bytes are used ends the process (SIGBUS), as it
        does in every program that maps files.
        """
        if self._content is not None:
            return self._content
        try:
            flags = mmap.MAP_PRIVATE | _NO_RESERVE
            return mmap.mmap(self.descriptor, self.size, flags, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as error:
            raise self._unreadable(error) from None

    def start_hashing(self) -> None:
        """Begin with the digest, which needs half a second for each GB; `stored` waits for it."""
        if self._digest is not None:
            return
        if self._content is not None:
            self._digest = Future()
            self._digest.set_result(hashlib.sha256(self._content).hexdigest())
        else:
            # The thread reads through a descriptor of its own: ours may be closed before it ends.
            self._digest = _hashers().submit(_hash_and_close, os.dup(self.descriptor), self.size)

    def stored(self) -> StoredFile:
        """Path, sha256 and size of what was opened.

        Raises:
            InputError: if the file changed since.
        """
        self.start_hashing()
        assert self._digest is not None
        try:
            digest = self._digest.result()
        except OSError as error:
            raise self._unreadable(error) from None
        if self._content is None:
            self.check_unchanged()
        return StoredFile(self.path, digest, self.size)

    def check_unchanged(self) -> None:
        """Say so where somebody wrote to the file since it was opened.

        Raises:
            InputError: if its size or its times are no longer those that it had.
        """
        if _is_written(self._status, os.fstat(self.descriptor)):
            raise InputError(
                "was written to while it was read, so that its digest says nothing",
                where=self.path,
                expected="a file that nobody writes to",
                hint="copy it, or wait until training has written it",
            )

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(f"cannot be read: {error.strerror or error}", where=self.path)


def open_stored(path: str) -> OpenedFile:
    """Open a regular file for reading; nothing waits, as opening a pipe would.

    Raises:
        InputError: if it is missing, no regular file, or cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", where=path) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise InputError(f"is {kind}, not a file", where=path, expected="a regular file")
    return OpenedFile(path, descriptor, status)


def _is_written(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether a file's content may be another one.

    A file that was only replaced under its path keeps its content; its ctime changes with the
    number of its links. Otherwise ctime tells writes whose mtime was put back.
    """
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return True
    return before.st_nlink == after.st_nlink and before.st_ctime_ns != after.st_ctime_ns


def _read(descriptor: int, start: int, size: int) -> bytes:
    """`size` bytes, fewer only where the file has become shorter."""
    pieces, left = [], size
    while left > 0 and (piece := os.pread(descriptor, min(left, 1 << 30), start + size - left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


@cache
def _hashers() -> ThreadPoolExecutor:
    """One digest cannot be divided, but several files are hashed at the same time."""
    return ThreadPoolExecutor(min(4, os.cpu_count() or 1), "sha256")


def _hash_and_close(descriptor: int, size: int) -> str:
    """The digest of a file, through a buffer: a mapping's pages would count as our memory."""
    digest, buffer, position = hashlib.sha256(), bytearray(_HASHED_AT_ONCE), 0
    view = memoryview(buffer)
    try:
        while position < size and (count := os.preadv(descriptor, [view], position)):
            digest.update(view[: min(count, size - position)])
            position += count
    finally:
        os.close(descriptor)
    return digest.hexdigest()
