"""How long the commands take, as ratios to bare imports in the same run.

    python benchmarks/start_up.py

Each command is a process of its own; the two of a row take turns, and the medians' ratio counts.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOG = ROOT / "fixtures" / "musetalk-tiny" / "runs" / "main" / "log.jsonl"
TURNS = 7

CHECK = ["-m", "lossaudit", "check", str(LOG), "-s", "musetalk-v1", "-q"]
ROWS = {
    "check of 400 rows / import typer, rich, numpy": (CHECK, ["-c", "import typer, rich, numpy"]),
    "--version / import typer": (["-m", "lossaudit", "--version"], ["-c", "import typer"]),
    "--help / import typer": (["-m", "lossaudit", "--help"], ["-c", "import typer"]),
}


def seconds(arguments: list[str]) -> float:
    """Wall time of one Python process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - start


def main() -> None:
    """Print one line for each pair: both medians and their ratio."""
    for name, (ours, bare) in ROWS.items():
        seconds(ours), seconds(bare)  # warms the file cache
        pairs = [(seconds(ours), seconds(bare)) for _ in range(TURNS)]
        a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(f"{name:50} {a:.3f} s / {b:.3f} s = {a / b:.2f}")


if __name__ == "__main__":
    main()
