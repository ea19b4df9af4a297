"""Kills recording processes at random moments and looks at what they left.

    python tests/recorder/killed_loop.py FOLDER ROUNDS [SEED]

Each round forks a process that goes on with the recording as a resumed run does, and kills it after
a random time. Then, before anything is mended, every line and every batch must be whole, and all
that the process had finished must be there. Prints the counts as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from itertools import count
from pathlib import Path

import torch
from safetensors import safe_open

from lossaudit.recorder import Recorder

TERMS = [f"loss_{i}" for i in range(24)]  # over a kilobyte a line: every third meets a page's end
SIZE = 100_000
KEEP = 5


def record_until_killed(run_dir: Path, start: int, finished: int) -> None:
    """Record one step after the other, and tell of each that is finished."""
    recorder = Recorder(run_dir, every=1, keep=KEEP)
    for step in count(start):
        recorder.begin(step)
        terms = {name: step + i / 7 for i, name in enumerate(TERMS)}
        recorder.record(step, torch.tensor(step + 0.1), terms, {"x": torch.full((SIZE,), step)})
        if recorder.lost:
            os.write(finished, b"lost\n")
            os._exit(1)
        os.write(finished, b"%d\n" % step)


def seconds_of_a_record(folder: Path) -> float:
    """How long a record takes here, so that kills fall into it; the median of nine."""
    recorder, taken = Recorder(folder / "timing", every=1), []
    for step in range(1, 10):
        started = time.perf_counter()
        recorder.record(step, 1.0, dict.fromkeys(TERMS, 1.0), {"x": torch.zeros(SIZE)})
        taken.append(time.perf_counter() - started)
    return sorted(taken)[4]


def whole_lines(path: Path) -> list[int]:
    """Steps of the log, each of whose lines is a whole record; a blank tail is no line."""
    if not path.exists():
        return []
    *lines, tail = path.read_bytes().split(b"\n")
    assert not tail.strip(), f"torn line: {tail[-80:]!r}"
    records = [json.loads(line) for line in lines]
    for found in records:
        expected = {name: found["step"] + i / 7 for i, name in enumerate(TERMS)}
        assert {name: found[name] for name in TERMS} == expected
    return [found["step"] for found in records]


def whole_batches(run_dir: Path) -> list[int]:
    """Steps of the batches, each of which is whole."""
    steps = []
    for path in (run_dir / "batches").glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            step = int(file.metadata()["step"])
            assert path.name == f"step-{step:06d}.safetensors"
            assert torch.equal(file.get_tensor("x"), torch.full((SIZE,), step))
            assert json.loads(file.metadata()["rng"])
        steps.append(step)
    return sorted(steps)


def killed_after(run_dir: Path, start: int, records: int, seconds: float) -> list[int]:
    """Steps that a process had finished when it was killed, so long after so many of them."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        os.close(reading)
        record_until_killed(run_dir, start, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        told = [file.readline() for _ in range(records)]
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        told += file.readlines()
    assert b"lost\n" not in told
    return [int(step) for step in told]


def partial_file(run_dir: Path) -> tuple[int, int] | None:
    """What tells an unfinished batch from an earlier one."""
    path = run_dir / "batches" / ".rank-000.partial"
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


def main() -> None:
    """Fork, kill, look; again and again."""
    run_dir, rounds = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    chance = random.Random(sys.argv[3] if len(sys.argv) > 3 else "0")
    longest = 2 * seconds_of_a_record(run_dir)
    start, in_batch, in_record = 1, 0, 0
    steps: list[int] = []
    for _ in range(rounds):
        before, partial = steps, partial_file(run_dir)
        after = chance.randrange(3)
        finished = killed_after(run_dir, start, after, chance.uniform(0.0, longest))
        steps = whole_lines(run_dir / "record" / "terms.jsonl")
        assert steps[: len(before)] == before, "a record went missing"
        new = steps[len(before) :]
        assert new[: len(finished)] == finished, "a finished record is not there"
        assert len(new) - len(finished) in (0, 1)
        batches = whole_batches(run_dir)
        # the step that was killed may have taken the place of the oldest
        assert set(finished[1 - KEEP :]) <= set(batches), "a finished batch is not there"
        assert len(batches) <= KEEP + 1
        in_batch += partial_file(run_dir) not in (None, partial)
        in_record += len(new) > len(finished)
        start = max([start - 1, *steps]) + 1
    counts = {"rounds": rounds, "records": len(steps), "killed in a step": in_record}
    print(json.dumps({**counts, "killed in a batch": in_batch}))  # noqa: T201


if __name__ == "__main__":
    main()
