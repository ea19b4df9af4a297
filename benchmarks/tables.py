"""How long a check of three million rows takes, as ratios to the least that could be computed.

    python benchmarks/tables.py [CASE ...]

Each side is a process of its own: `lossaudit check LOG -f 'total = 2*a + b'` with everything that
it finds, against polars and against duckdb computing only max|total - (2*a + b)|, imports
included. They take turns; the medians' ratio to the faster of the two counts. The last case reads
ten million JSON lines on standard input, and what counts is its largest resident memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from measure import PLACE, Row, in_turns

COUNT = 3_000_000
STREAMED = 10_000_000
TURNS = 5
MOST_RATIO = 3.0
MOST_MEMORY = 300.0
FORMULA = "total = 2*a + b"

POLARS = """
import sys, polars
c = polars.col
scanned = polars.{scan}(sys.argv[1])
print(scanned.select((c("total") - (2 * c("a") + c("b"))).abs().max()).collect().item())
"""
DUCKDB = """
import sys, duckdb
query = f"select max(abs(total - (2*a + b))) from {read}('{{sys.argv[1]}}')"
print(duckdb.sql(query).fetchall()[0][0])
"""


def frame(count: int, first: int = 0) -> tuple[np.ndarray, ...]:
    """step, total, a, b: full-precision numbers that follow the formula."""
    random = np.random.default_rng(first)
    a, b = random.random(count), random.random(count)
    return np.arange(first, first + count), 2 * a + b, a, b


def write_csv(path: Path, decimals: int | None = None) -> None:
    import polars

    table = polars.DataFrame(dict(zip(("step", "total", "a", "b"), frame(COUNT), strict=True)))
    table.write_csv(path, float_precision=decimals)


def write_parquet(path: Path) -> None:
    import polars

    table = polars.DataFrame(dict(zip(("step", "total", "a", "b"), frame(COUNT), strict=True)))
    table.write_parquet(path)


def json_lines(count: int) -> Iterator[bytes]:
    """JSON lines in pieces, as `json.dumps` writes them."""
    piece = 100_000
    for first in range(0, count, piece):
        columns = [column.tolist() for column in frame(piece, first)]
        yield "".join(
            f'{{"step": {step}, "total": {total!r}, "a": {a!r}, "b": {b!r}}}\n'
            for step, total, a, b in zip(*columns, strict=True)
        ).encode()


def write_json_lines(path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(json_lines(COUNT))


CASES: dict[str, tuple[str, Callable[[Path], None], str, str]] = {
    "CSV, full precision": ("full.csv", write_csv, "scan_csv", "read_csv"),
    "CSV, six decimals": ("six.csv", lambda path: write_csv(path, 6), "scan_csv", "read_csv"),
    "JSON lines": ("log.jsonl", write_json_lines, "scan_ndjson", "read_json"),
    "Parquet": ("log.parquet", write_parquet, "scan_parquet", "read_parquet"),
}
STREAM = "JSON lines on standard input"


def compare(name: str, folder: Path) -> Row:
    """One case of `CASES`."""
    file, write, scan, read = CASES[name]
    path = folder / file
    write(path)
    sides = {
        "ours": ["-m", "lossaudit", "check", str(path), "-f", FORMULA],
        "polars": ["-c", POLARS.format(scan=scan), str(path)],
        "duckdb": ["-c", DUCKDB.format(read=read), str(path)],
    }
    taken = in_turns(sides, TURNS)
    path.unlink()
    ours, polars, duckdb = (taken[side] for side in sides)
    figures = f"{ours:.2f} s / min(polars {polars:.2f} s, duckdb {duckdb:.2f} s)"
    return Row(f"{name}, 3,000,000 rows", figures, ours / min(polars, duckdb), MOST_RATIO)


def stream() -> Row:
    """Memory of a check that reads from a pipe."""
    command = [sys.executable, "-m", "lossaudit", "check", "-", "-f", FORMULA, "-q"]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, **PLACE)
    assert child.stdin is not None
    with child.stdin as pipe:
        pipe.writelines(json_lines(STREAMED))
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"exit code {child.returncode} on standard input")
    peak = usage.ru_maxrss * 1024 / 1e6
    figures = f"{peak:.0f} MB, {time.perf_counter() - start:.0f} s with the writer"
    return Row(f"10,000,000 {STREAM}, most MB", figures, peak, MOST_MEMORY)


def rows(names: Sequence[str] = ()) -> Iterator[Row]:
    """Run the cases of these names, or all."""
    with tempfile.TemporaryDirectory() as folder:
        for name in CASES:
            if not names or name in names:
                yield compare(name, Path(folder))
    if not names or STREAM in names:
        yield stream()


def main() -> None:
    """Print one line for each case."""
    for row in rows(sys.argv[1:]):
        print(row.in_markdown(), flush=True)


if __name__ == "__main__":
    main()
