"""What the recorder costs the tiny MuseTalk training, waiting for the disk included.

    python benchmarks/recorder.py

Needs the `musetalk` extra. Both sides are from one run: the time inside the recorder's calls, and
that of all steps.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from measure import ROOT, Row

FIXTURE = ROOT / "fixtures" / "musetalk-tiny"
STEPS = 200
EVERY = 100


class Timed:
    """A recorder whose calls are timed."""

    def __init__(self, recorder: Any) -> None:
        self.recorder = recorder
        self.calls: list[float] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        call = getattr(self.recorder, name)

        def timed(*arguments: Any) -> None:
            start = time.perf_counter()
            call(*arguments)
            self.calls.append(time.perf_counter() - start)

        return timed


def rows() -> Iterator[Row]:
    """The share of the recorder in a step, and what its calls take."""
    sys.path.insert(0, str(FIXTURE))
    import torch
    from faces import render_clips
    from train import SEED, Training, Variant, load_vae

    from lossaudit.recorder import Recorder

    torch.set_num_threads(1)
    clips = render_clips(SEED)
    vae = load_vae(FIXTURE / "runs" / "main" / "vae", clips)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(Variant(STEPS), Path(folder))
        timed = Timed(Recorder(folder, every=EVERY))
        training.recorder = timed
        start = time.perf_counter()
        for _ in range(STEPS):
            training.run_microstep(clips, vae)
        taken = time.perf_counter() - start
        if timed.recorder.lost or len(list(Path(folder, "batches").iterdir())) != STEPS // EVERY:
            raise SystemExit("something was not recorded")
    inside = sum(timed.calls)
    idle = sorted(timed.calls)[len(timed.calls) // 2]
    step = (taken - inside) / STEPS
    recorded = (inside - idle * (len(timed.calls) - 2 * STEPS // EVERY)) / (STEPS // EVERY)
    yield Row(
        f"every {EVERY} steps of the tiny MuseTalk run, in percent of a step",
        f"{1e3 * inside / STEPS:.3f} ms / {1e3 * step:.1f} ms",
        100 * inside / (taken - inside),
        1.0,
    )
    yield Row("a recorded step, in steps", f"{1e3 * recorded:.1f} ms", recorded / step, None)
    yield Row("a step that is not recorded, in microseconds", "two calls", 2e6 * idle, None)


if __name__ == "__main__":
    for row in rows():
        print(row.in_markdown())
