"""A training that records until nothing can be written any more, and goes on.

python tests/recorder/full_loop.py RUN_DIR STEPS SIZE [LIMIT]

LIMIT: bytes of a file, beyond which no write gets; else the disk is what is full.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

from lossaudit.recorder import Recorder


def main() -> None:
    """Record every step; every tenth batch is ten times as large."""
    run_dir, steps, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if len(sys.argv) > 4:
        limit = int(sys.argv[4])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    recorder = Recorder(run_dir, every=1)
    weight = torch.nn.Parameter(torch.tensor(1.0))
    for step in range(1, steps + 1):
        a = weight * step
        total = 2.0 * a
        batch = {"x": torch.full((size * (10 if step % 10 == 0 else 1),), float(step))}
        recorder.record(step, total, {"a": a}, batch)
        total.backward()
    print("trained to the end", step)  # noqa: T201


if __name__ == "__main__":
    main()
