"""How long short commands take, as ratios to bare imports in the same run.

    python benchmarks/start_up.py

Each command is a process of its own; the two of a row take turns, and the medians' ratio counts.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Row, in_turns

TURNS = 15


def cases(folder: Path) -> Iterator[tuple[str, list[str], str]]:
    """What is measured, our arguments, and the imports that it is compared with."""
    log = folder / "log.jsonl"
    records = ({"step": i, "loss": 2 * i / 7 + 3.0, "a": i / 7, "b": 3.0} for i in range(1000))
    log.write_text("".join(json.dumps(r) + "\n" for r in records))
    check = ["check", str(log), "-f", "loss = 2*a + b", "-q"]
    yield "`check` of 1,000 rows", check, "typer, rich, numpy"
    yield "`--version`", ["--version"], "typer"
    yield "`--help`", ["--help"], "typer"


def rows() -> Iterator[Row]:
    """One row for each case."""
    with tempfile.TemporaryDirectory() as folder:
        for what, ours, imports in cases(Path(folder)):
            sides = {"ours": ["-m", "lossaudit", *ours], "bare": ["-c", f"import {imports}"]}
            taken = in_turns(sides, TURNS)
            figures = f"{taken['ours']:.3f} s / `import {imports}` {taken['bare']:.3f} s"
            yield Row(what, figures, taken["ours"] / taken["bare"], 2.0)


if __name__ == "__main__":
    for row in rows():
        print(row.in_markdown())
