"""Starts the process that reads a Parquet file, early where the command line names one.

Python loads one module at a time, and what an audit needs takes as long as a file of three million
rows. So the command line has that process started first. This module itself loads next to nothing.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import subprocess

MAGIC = b"PAR1"
ROWS = 1 << 17
"""Rows that are written and announced together."""

LABELS = "mode,split,phase,stage"
"""Columns of text that say to which part of the data a row belongs: `columns.PART_KEYS`."""

_HAS_NAMES = sys.platform == "linux"
"""Whether a file that one process has open has a name for others, and memory may be a file."""

_WORKER = os.path.join(os.path.dirname(__file__), "parquet_worker.py")  # noqa: PTH118, PTH120


class ParquetProcess(NamedTuple):
    """A process that reads a file, see `parquet_worker`.

    Attributes:
        process: tells on its standard output what it has written.
        numbers: the file that it writes numbers to.
        errors: what it says as it dies.
        source: the file that it reads, where nobody else keeps that open.
    """

    process: subprocess.Popen[bytes]
    numbers: IO[bytes]
    errors: IO[bytes]
    source: IO[bytes] | None = None

    def end(self) -> None:
        """Stop it, wherever it is."""
        self.process.kill()
        with self.process, self.numbers, self.errors:
            if self.source is not None:
                self.source.close()


_early: list[tuple[tuple[int, ...], ParquetProcess]] = []


def start_early(arguments: Iterable[str]) -> None:
    """Start on the first of the arguments that names a Parquet file; it ends with this process."""
    if not _HAS_NAMES:
        return
    source = next(filter(None, map(_open_parquet, arguments)), None)
    if source is not None:
        version = _version(os.fstat(source.fileno()))
        _early.append((version, _start(_name_of(source))._replace(source=source)))


def process_for(path: str) -> ParquetProcess:
    """A process that reads the file at `path`: one that is at it already, if there is one."""
    while _early:
        version, process = _early.pop()
        if version == _version(os.stat(path)):
            return process
        process.end()  # it reads another file, or this one as it was
    return _start(path)


def _start(path: str) -> ParquetProcess:
    import subprocess

    numbers, errors = _scratch_file(), _scratch_file()
    process = subprocess.Popen(
        [sys.executable, "-P", _WORKER, path, _name_of(numbers), str(ROWS), LABELS],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
    )
    return ParquetProcess(process, numbers, errors)


def _scratch_file() -> IO[bytes]:
    """A file without a name, in memory, that never shrinks: what of it is mapped stays there."""
    if not _HAS_NAMES:
        import tempfile

        return tempfile.NamedTemporaryFile()
    import fcntl

    handle = os.memfd_create("lossaudit", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fcntl.fcntl(handle, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return open(handle, "w+b", buffering=0)


def _name_of(file: IO[bytes]) -> str:
    """What another process may open to have the same file."""
    return f"/proc/{os.getpid()}/fd/{file.fileno()}" if _HAS_NAMES else file.name


def _open_parquet(name: str) -> IO[bytes] | None:
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):
            return None
        file = open(name, "rb")  # noqa: SIM115 - closed by `end`
        if file.read(len(MAGIC)) == MAGIC:
            return file
        file.close()
    except (OSError, ValueError):
        pass
    return None


def _version(file: os.stat_result) -> tuple[int, ...]:
    """What differs between files, and once a file was written to."""
    return file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns
