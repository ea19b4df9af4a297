"""What all benchmarks share: a row of the outcome, and processes that are timed in turns."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Row:
    """One line of the outcome.

    Attributes:
        what: what was measured.
        figures: both sides, with units.
        value: what counts, mostly the ratio of the two.
        bound: what it is held to; None where nobody has set a bound.
        at_least: whether `value` must reach `bound`; else it must stay below it.
    """

    what: str
    figures: str
    value: float
    bound: float | None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the bound is kept, where there is one."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.at_least else self.value < self.bound

    def in_markdown(self) -> str:
        """A line of a table."""
        held, mark = "-", "-"
        if self.bound is not None:
            held = f"{'at least' if self.at_least else 'under'} {self.bound:,g}"
            mark = "yes" if self.holds else "**no**"
        return f"| {self.what} | {self.figures} | {self.value:,.3g} | {held} | {mark} |"


def environment() -> dict[str, str]:
    """This process's, with compiled modules kept, as an installed package has them."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), "lossaudit-bytecode"))}


PLACE: dict[str, Any] = {"cwd": ROOT, "env": environment()}
"""Where processes run."""


def seconds(arguments: Sequence[str]) -> float:
    """Wall time of one Python process."""
    command = [sys.executable, *arguments]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **PLACE)
    return time.perf_counter() - start


def in_turns(sides: Mapping[str, Sequence[str]], turns: int) -> dict[str, float]:
    """Median wall time of each side's process; they take turns, after one that does not count."""
    for arguments in sides.values():
        seconds(arguments)
    taken = [{side: seconds(arguments) for side, arguments in sides.items()} for _ in range(turns)]
    return {side: statistics.median(t[side] for t in taken) for side in sides}
