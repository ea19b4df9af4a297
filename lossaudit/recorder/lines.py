"""Appends a line to a file so that, whenever the process dies, the file holds whole lines only."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

PAGE = 4096
"""A kill or a full disk ends a write between two pages (or blocks), never inside of one."""

LONGEST = 1 << 20
"""Bytes of a line."""

_START = b'{"step": '


def append_line(path: Path, line: bytes) -> None:
    """Append one line and wait until it is on the disk.

    It goes out in one write. Spaces before it keep it within a page where it would cross into the
    next one, so that it is there as a whole or not at all. The file is opened, locked, repaired
    and closed each time: nothing is held that a fork, a kill or a resumed run could trip over.

    Args:
        path: of the log; folders are made.
        line: JSON without a line end, as `{"step": ...}`.

    Raises:
        OSError: if it could not be written as a whole; the file is as before.
    """
    text = line + b"\n"
    if len(text) > LONGEST:
        raise OSError(errno.EMSGSIZE, f"a record of {len(text):,} bytes", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        lock(file)
        _write_whole(file, _closing(file) + text)
        os.fsync(file)
    finally:
        os.close(file)


def lock(file: int) -> None:
    """Lock a file until it is closed, where the file system can.

    Raises:
        OSError: if another process has it; waiting could hold up the training.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EAGAIN, "another process is recording here") from None
    except OSError:
        pass  # some network file systems have no locks


def _write_whole(file: int, text: bytes) -> None:
    start = os.fstat(file).st_size
    room = -start % PAGE
    if room < len(text) <= PAGE:
        text = b" " * room + text
    written = 0
    try:
        written = os.write(file, text)
    finally:
        if written < len(text):
            os.ftruncate(file, start)
    if written < len(text):
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {written} of {len(text)} bytes")


def _closing(file: int) -> bytes:
    """Mend what a kill left after the last line end; what must precede the next line.

    A record that lacks only its line end gets one. A torn one of ours goes. What is not ours is
    never removed: it gets a line end, and readers say that it is no record.
    """
    size = os.fstat(file).st_size
    start = max(0, size - LONGEST)
    tail = os.pread(file, size - start, start)
    end = tail.rfind(b"\n") + 1
    torn = tail[end:]
    if not torn:
        return b""
    text = torn.lstrip(b" ")
    if (end or not start) and _is_torn(text):
        os.ftruncate(file, start + end)
        return b""
    return b"\n"


def _is_torn(text: bytes) -> bool:
    if not (text.startswith(_START) or _START.startswith(text)):
        return False
    try:
        json.loads(text)
    except ValueError:
        return True
    return False
