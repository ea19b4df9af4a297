"""A full disk, or a limit on files, loses nothing that was written, and training goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded import batch_of, columns_of

STEPS = 60
SCRIPT = Path(__file__).parent / "full_loop.py"


def train(run_dir: Path, *arguments: int) -> list[str]:
    """Run the training to its end; the lines of its standard error."""
    command = [sys.executable, str(SCRIPT), str(run_dir), str(STEPS), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"trained to the end {STEPS}\n"
    return done.stderr.splitlines()


def check_batches(run_dir: Path) -> list[int]:
    """The steps whose batches are there; every one of them is whole."""
    steps = []
    for path in sorted((run_dir / "batches").glob("*.safetensors")):
        metadata, tensors = batch_of(path)
        step = int(metadata["step"])
        assert set(tensors["x"].tolist()) == {step}
        assert (metadata["total"], metadata["a"]) == (repr(2.0 * step), repr(float(step)))
        steps.append(step)
    return steps


def test_batches_beyond_a_limit_are_missing_and_all_else_is_there(tmp_path: Path) -> None:
    said = train(tmp_path, 500, 10_000)
    assert check_batches(tmp_path) == [step for step in range(1, STEPS + 1) if step % 10]
    assert columns_of(tmp_path / "record" / "terms.jsonl")["step"] == list(range(1, STEPS + 1))
    assert len(list((tmp_path / "batches").iterdir())) == STEPS - STEPS // 10
    assert len(said) == 2
    assert "the batch of step 10 could not be recorded: " in said[0]
    assert "File too large" in said[0]
    assert "not recorded: batch of 6 steps from 10 to 60 (" in said[1]


def test_log_beyond_a_limit_ends_with_a_whole_record(tmp_path: Path) -> None:
    said = train(tmp_path, 1, 1_000)
    steps = columns_of(tmp_path / "record" / "terms.jsonl")["step"]
    assert steps == list(range(1, len(steps) + 1))
    assert 10 < len(steps) < STEPS
    assert (tmp_path / "record" / "terms.jsonl").read_bytes().endswith(b"}\n")
    assert f"not recorded: record of {STEPS - len(steps)} steps from {len(steps) + 1}" in said[1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system; the limits on files above are tested")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_full_disk_loses_nothing_and_recording_goes_on_once_there_is_room(small_disk: Path) -> None:
    said = train(small_disk, 2000)
    written = check_batches(small_disk)
    steps = columns_of(small_disk / "record" / "terms.jsonl")["step"]
    assert len(written) >= 10
    assert steps[: len(written)] == list(range(1, len(written) + 1))
    assert not list((small_disk / "batches").glob(".*"))
    assert len(said) == 2
    assert "No space left on device" in said[0]
    assert "nothing that was written before is touched" in said[0]

    (small_disk / "batches" / "step-000001.safetensors").unlink()
    (small_disk / "batches" / "step-000002.safetensors").unlink()
    before = {p: p.read_bytes() for p in small_disk.rglob("*") if p.is_file()}
    train(small_disk, 1)
    for path, content in before.items():
        if path.suffix == ".jsonl":
            assert path.read_bytes().startswith(content)
    again = columns_of(small_disk / "record" / "terms.jsonl")["step"]
    assert again[: len(steps)] == steps
    assert again[len(steps)] == 1
