"""All benchmarks, one after the other, and their table.

    python benchmarks/run.py            # prints the table
    python benchmarks/run.py --write    # and puts it into docs/benchmarks.md

Needs the extras `test` and `musetalk`, and duckdb. Takes about ten minutes on two cores; nothing
else should run.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import event_file
import recorder
import replay_tensors
import start_up
import tables
import text_logs
import weights
from measure import ROOT

PARTS = {
    "Start-up": start_up,
    "Event files": event_file,
    "Tables": tables,
    "Text logs": text_logs,
    "Certified weights": weights,
    "Terms over stored tensors": replay_tensors,
    "Recorder": recorder,
}
TABLE = "| what | figures | counts | held to | holds |\n|---|---|---|---|---|"
PACKAGES = ("numpy", "polars", "duckdb", "tensorboard", "typer", "rich", "highspy", "torch")
HEAD = """# Benchmarks

Made by `python benchmarks/run.py --write`; the scripts beside it say what each row does. Every
ratio comes from one run in which both sides took turns; what is held to is written beside it, and
what does not hold is marked.

"""


def machine() -> str:
    """What the figures depend on, in one paragraph."""
    model = "an unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in PACKAGES)
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, {versions}.\n"


def report() -> Iterator[tuple[str, bool]]:
    """The page, piece by piece, and whether all that the piece says holds."""
    yield HEAD + machine(), True
    for title, part in PARTS.items():
        yield (
            f"\n## {title}\n\n| what | figures | counts | held to | holds |\n|---|---|---|---|---|",
            True,
        )
        for row in part.rows():
            yield row.in_markdown(), row.holds


def main() -> None:
    """Print the page as it comes; the exit code is 1 where something does not hold."""
    text, all_hold = "", True
    for piece, holds in report():
        print(piece, flush=True)
        text, all_hold = text + piece + "\n", all_hold and holds
    if "--write" in sys.argv[1:]:
        (ROOT / "docs" / "benchmarks.md").write_text(text)
    raise SystemExit(not all_hold)


if __name__ == "__main__":
    main()
