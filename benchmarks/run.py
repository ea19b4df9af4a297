"""All benchmarks, one after the other, and their table.

    python benchmarks/run.py            # prints the table
    python benchmarks/run.py --write    # and puts it into docs/benchmarks.md

Sections that are measured by a command of their own stay in the page as they are.

Needs the extras `test` and `musetalk`, and duckdb. Takes about ten minutes on two cores; nothing
else should run.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import event_file
import recorder
import replay_tensors
import start_up
import tables
import text_logs
import weights
from measure import ROOT, Row

PARTS = {
    "Start-up": start_up,
    "Event files": event_file,
    "Tables": tables,
    "Text logs": text_logs,
    "Certified weights": weights,
    "Terms over stored tensors": replay_tensors,
    "Recorder": recorder,
}
APART = ("Replay at full size", "Replay on a GPU")
"""Sections that other commands measure: they need more memory, disk and time than the rest."""

PAGE = ROOT / "docs" / "benchmarks.md"
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
        yield from table(title, part.rows())
    page = PAGE.read_text()
    for title in APART:
        if title in page:
            yield "\n" + section_of(page, title).rstrip(), True


def table(title: str, rows: Iterable[Row], on: str = "") -> Iterator[tuple[str, bool]]:
    """A section of the page, line by line, and whether what the line says holds.

    `on` tells of the machine, where it is another than the page's.
    """
    yield f"\n## {title}\n\n{on}{TABLE}", True
    for row in rows:
        yield row.in_markdown(), row.holds


def section_of(page: str, title: str) -> str:
    """A section with its heading, up to the next one; empty where the page lacks it."""
    start = page.find(f"## {title}\n")
    end = page.find("\n## ", start)
    return page[start : end if end >= 0 else len(page)] if start >= 0 else ""


def show(pieces: Iterable[tuple[str, bool]]) -> tuple[str, bool]:
    """Print pieces as they come; all of them, and whether all hold."""
    text, all_hold = "", True
    for piece, holds in pieces:
        print(piece, flush=True)
        text, all_hold = text + piece + "\n", all_hold and holds
    return text, all_hold


def run_apart(title: str, rows: Iterable[Row], on: str = "") -> None:
    """What the command of one section does: show it, and with --write put it into the page."""
    text, all_hold = show(table(title, rows, on))
    if "--write" in sys.argv[1:]:
        page, new = PAGE.read_text(), text.strip() + "\n"
        old = section_of(page, title)
        PAGE.write_text(page.replace(old, new) if old else f"{page.rstrip()}\n\n{new}")
    raise SystemExit(not all_hold)


def main() -> None:
    """Print the page as it comes; the exit code is 1 where something does not hold."""
    text, all_hold = show(report())
    if "--write" in sys.argv[1:]:
        PAGE.write_text(text)
    raise SystemExit(not all_hold)


if __name__ == "__main__":
    main()
