"""What the command line sets for its process, and for no process that uses us as a library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts in /proc")

LOG = Path(__file__).parents[2] / "fixtures" / "musetalk-tiny" / "runs" / "main" / "log.jsonl"

COMMAND = """
import gc, os
from lossaudit.cli.main import app
app(["check", {log!r}, "--spec", "musetalk-v1", "--quiet"], standalone_mode=False)
"""
LIBRARY = """
import gc, os
import lossaudit
lossaudit.check_logs(lossaudit.load_spec("musetalk-v1"), [{log!r}])
"""
SHOW = 'print(len(os.listdir("/proc/self/task")), gc.get_threshold()[0])'


def settings(code: str, **variables: str) -> list[int]:
    """Threads and the collector's threshold, at the end of a process."""
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"} | variables
    code = code.format(log=str(LOG)) + SHOW
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return [int(x) for x in done.stdout.split()[-2:]]


def test_only_the_command_line_changes_its_process() -> None:
    as_library, as_command = settings(LIBRARY, OPENBLAS_NUM_THREADS="1"), settings(COMMAND)
    assert as_command[0] == as_library[0], "OpenBLAS has started threads"
    assert (as_library[1], as_command[1]) == (700, 50_000)


def test_what_the_user_has_set_stays() -> None:
    threads = min(4, len(os.sched_getaffinity(0)))
    mine, alone = (settings(COMMAND, OPENBLAS_NUM_THREADS=str(n))[0] for n in (threads, 1))
    assert mine - alone == threads - 1
