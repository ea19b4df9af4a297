"""Batches on the disk: each as a whole, within a bound, and nothing else touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from recorded import batch_of, columns_of, files_of

from lossaudit.recorder import Recorder, batches


def record(recorder: Recorder, step: int, size: int = 1000) -> None:
    recorder.record(step, float(step), {"a": float(step)}, {"x": torch.full((size,), float(step))})


def names(run_dir: Path) -> list[int]:
    """Steps whose batches are there."""
    return sorted(int(p.stem.removeprefix("step-")) for p in (run_dir / "batches").glob("step-*"))


def test_oldest_batches_go_first_and_records_never(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, every=1, keep=3)
    for step in range(1, 9):
        record(recorder, step)
        assert len(names(tmp_path)) <= 3
    assert names(tmp_path) == [6, 7, 8]
    assert columns_of(tmp_path / "record" / "terms.jsonl")["step"] == list(range(1, 9))


def test_bytes_are_bounded(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, every=1, max_bytes=10_000)
    for step in range(1, 9):
        record(recorder, step)
        found = sum(p.stat().st_size for p in (tmp_path / "batches").iterdir())
        assert found <= 10_000
    assert names(tmp_path) == [7, 8]


def test_batch_larger_than_the_bound_drives_no_other_out(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, every=1, max_bytes=10_000)
    record(recorder, 1)
    record(recorder, 2, size=2_490)  # within it, but not with its header
    record(recorder, 3, size=5_000)
    assert files_of(tmp_path / "batches") == ["step-000001.safetensors"]
    (lost,) = recorder.lost
    assert "batch of 2 steps from 2 to 3 ([Errno 27] a batch of 10," in lost


def test_resumed_run_keeps_what_it_wrote_last_and_knows_the_old_ones(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        record(Recorder(tmp_path, every=1), step)
    resumed = Recorder(tmp_path, every=1, keep=2)
    record(resumed, 1, size=10)
    assert 1 in names(tmp_path)
    assert len(names(tmp_path)) == 2
    assert batch_of(tmp_path / "batches" / "step-000001.safetensors")[1]["x"].shape == (10,)


def test_bound_holds_after_kills_that_each_left_one_too_many(tmp_path: Path) -> None:
    for step in range(1, 6):
        record(Recorder(tmp_path, every=1), step)
    recorder = Recorder(tmp_path, every=1, keep=2, max_bytes=10_000)
    record(recorder, 6, size=5_000)  # too large to be written, but the bound holds
    assert names(tmp_path) == [4, 5]


def test_files_that_are_not_the_recorders_stay(tmp_path: Path) -> None:
    folder = tmp_path / "batches"
    folder.mkdir()
    others = ["notes.txt", "step-1.safetensors", "my-step-000001.safetensors"]
    others += ["step-000001.rank-001.safetensors", "step-000001.safetensors.bak"]
    for name in others:
        (folder / name).write_bytes(b"x" * 5000)
    (tmp_path / "target").write_bytes(b"x" * 5000)
    (folder / "step-000009.safetensors").symlink_to(tmp_path / "target")
    recorder = Recorder(tmp_path, every=1, keep=1, max_bytes=6000)
    for step in (1, 2, 3):
        record(recorder, step)
    assert {path.name for path in folder.iterdir()} == {
        *others,
        "step-000003.safetensors",
        "step-000009.safetensors",
    }


def test_what_a_kill_left_of_a_batch_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / ".rank-000.partial").write_bytes(b"x" * 100_000)
    record(Recorder(tmp_path, every=1), 1)
    assert files_of(tmp_path / "batches") == ["step-000001.safetensors"]


def test_the_name_is_given_only_when_all_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    replace, sync = Path.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (order.append("sync"), sync(file))[1])
    monkeypatch.setattr(Path, "replace", lambda a, b: (order.append("name"), replace(a, b))[1])
    batches.write_batch(tmp_path / "a", tmp_path / "b", {"x": torch.ones(3)}, {"s": "1"}, 10_000)
    assert order == ["sync", "name", "sync"]


def test_same_batch_gives_the_same_bytes(tmp_path: Path) -> None:
    stored = set()
    for number in range(8):
        path = tmp_path / str(number)
        metadata = {name: name for name in "abcdefgh"}
        batches.write_batch(path, tmp_path / "p", {"é": torch.ones(3)}, metadata, 10_000)
        stored.add(path.read_bytes())
    assert len(stored) == 1
