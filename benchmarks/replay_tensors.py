"""A term over stored tensors larger than memory: time against NumPy's sum, and memory.

    python benchmarks/replay_tensors.py [GB of each tensor, 1]

A safetensors file holds a pair of tensors of one dtype. NumPy maps it and sums every number once;
`recompute_term` maps it and takes its mean absolute difference in float64. Both sides take turns
within one process, on fresh mappings of pages that the kernel has; the digest, which is computed
beside, has ended before. NumPy has no bfloat16: it sums the same bytes as whole numbers of 16 bits.
What summing the same bytes as float32 takes, the fastest that NumPy reads, is said as well, and
what the ratio is in processor time, which other work on the machine disturbs less. Memory
is the peak of a process that does this one thing: mapped pages, Python and torch included.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import PLACE, Row

TURNS = 7
MOST_MB = 500
NAMES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
SUMMED_AS = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}
PEAK = """
import re, sys
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.batch import read_batch
from lossaudit.witnesses.replay.recompute_term import recompute_term
batch = read_batch(sys.argv[1])
found = recompute_term(Definition("l1", prediction="x", target="y"), batch.tensors, "float32")
assert found.blocked and batch.file.sha256
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1000)
"""


def write_pair(path: Path, dtype: str, size: int) -> int:
    """A file with x and y of `size` bytes each; returns where the tensors start."""
    width = 4 if dtype == "float32" else 2
    spans = {"x": [0, size], "y": [size, 2 * size]}
    header = json.dumps(
        {
            name: {"dtype": NAMES[dtype], "shape": [size // width], "data_offsets": span}
            for name, span in spans.items()
        }
    )
    header += " " * (-len(header) % 64 + 56)
    random, chunk = np.random.default_rng(7), 1 << 22
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header.encode())
        for start in range(0, 2 * size, width * chunk):
            count = min(chunk, (2 * size - start) // width)
            numbers = random.standard_normal(count, dtype=np.float32)
            if dtype == "float16":
                numbers = numbers.astype(np.float16)
            if dtype == "bfloat16":
                numbers = (numbers.view(np.uint32) >> 16).astype(np.uint16)
            file.write(numbers.tobytes())
    return 8 + len(header)


class Taken(NamedTuple):
    """Seconds on the clock, and of all processors together."""

    wall: float
    cpu: float


def taken(call: Callable[[], object]) -> Taken:
    """How long a call takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Taken(time.perf_counter() - wall, time.process_time() - cpu)


def by_numpy(path: Path, start: int, kind: type[np.generic]) -> Callable[[], Taken]:
    """Summing every number of the file once."""
    return lambda: taken(lambda: np.memmap(path, dtype=kind, mode="r", offset=start).sum())


def by_replay(path: Path) -> Callable[[], Taken]:
    """The term, from a file that is open and hashed."""
    from lossaudit.spec.definition import Definition
    from lossaudit.witnesses.replay.batch import read_batch
    from lossaudit.witnesses.replay.recompute_term import recompute_term

    definition = Definition("l1", prediction="x", target="y")

    def recomputed() -> Taken:
        batch = read_batch(str(path))
        assert batch.file.sha256
        return taken(lambda: recompute_term(definition, batch.tensors, "float32"))

    return recomputed


def threads() -> int:
    """Those that torch, and so replay, works with."""
    import torch

    return torch.get_num_threads()


def rows(gigabytes: float = 1.0) -> Iterator[Row]:
    """Three dtypes: time against NumPy, and the most memory."""
    size = int(gigabytes * 1e9) // 64 * 64
    with tempfile.TemporaryDirectory(prefix="lossaudit-") as folder:
        for dtype, kind in SUMMED_AS.items():
            path = Path(folder, f"{dtype}.safetensors")
            start = write_pair(path, dtype, size)
            yield from rows_of(path, start, dtype, kind)
            path.unlink()


def rows_of(path: Path, start: int, dtype: str, kind: type[np.generic]) -> Iterator[Row]:
    """Of one file."""
    sides = {"ours": by_replay(path), "numpy": by_numpy(path, start, kind)}
    if kind is not np.float32:
        sides["bytes"] = by_numpy(path, start, np.float32)
    for side in sides.values():
        side()
    turns = [{name: side() for name, side in sides.items()} for _ in range(TURNS)]
    median = {name: statistics.median(t[name].wall for t in turns) for name in sides}
    ratio = {s: statistics.median(t["ours"].wall / t[s].wall for t in turns) for s in sides}
    work = statistics.median(t["ours"].cpu / t["numpy"].cpu for t in turns) / threads()
    what = f"l1 of a {dtype} pair, {path.stat().st_size / 2e9:.1f} GB each"
    summed = f"`np.sum` of the file as {kind.__name__}"
    figures = f"{median['ours']:.3f} s / {median['numpy']:.3f} s"
    yield Row(f"{what} / {summed}", figures, ratio["numpy"], 1.5)
    what_work = f"{what}, processor time of each of {threads()} threads / NumPy's one"
    yield Row(what_work, "as it would be on cores of one's own", work, None)
    if "bytes" in sides:
        figures = f"{median['ours']:.3f} s / {median['bytes']:.3f} s"
        yield Row(f"{what} / the same bytes as float32", figures, ratio["bytes"], None)
    command = [sys.executable, "-c", PEAK, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, **PLACE)
    yield Row(f"{what}, most MB", f"{float(done.stdout):.0f} MB", float(done.stdout), MOST_MB)


if __name__ == "__main__":
    for row in rows(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0):
        print(row.in_markdown(), flush=True)
