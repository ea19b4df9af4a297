"""Starts the process that reads Parquet files, early where a command is going to need it.

What that process loads (polars) takes as long as what an audit loads, and Python loads one module
at a time. So the command line has it started first. This module itself loads next to nothing.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

MAGIC = b"PAR1"

_PIPE = 1 << 20
_WORKER = os.path.join(os.path.dirname(__file__), "parquet_worker.py")  # noqa: PTH118, PTH120

_waiting: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []


def start_early(arguments: Iterable[str]) -> None:
    """Start a process if one of the arguments names a Parquet file; it ends with this one."""
    if not _waiting and any(_is_parquet(argument) for argument in arguments):
        _waiting.append(_start())


def parquet_process() -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """A process that waits for its request, see `parquet_worker`, and what it says as it dies."""
    return _waiting.pop() if _waiting else _start()


def _start() -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    import subprocess
    import tempfile

    errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who reads
    command, pipe = [sys.executable, "-P", _WORKER], subprocess.PIPE
    process = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=errors, pipesize=_PIPE, env=_environment()
    )
    return process, errors


def _environment() -> dict[str, str]:
    """Ours, and no thread for each core that nobody needs."""
    return {"OPENBLAS_NUM_THREADS": "1", **os.environ}


def _is_parquet(name: str) -> bool:
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):
            return False
        with open(name, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False
