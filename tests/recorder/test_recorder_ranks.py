"""Several processes that train together: who writes what, and that nobody waits for anybody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from recorded import batch_of, columns_of, files_of

from lossaudit.recorder import Recorder
from lossaudit.recorder.layout import Rank, current_rank

SCRIPT = Path(__file__).parent / "distributed_loop.py"


def test_two_processes_over_gloo(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "record").write_text("a file where the folder should be")
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(tmp_path), str(rank)], stderr=subprocess.PIPE
        )
        for rank in (0, 1)
    ]
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
    assert files_of(tmp_path / "default") == [
        *(f"batches/step-0000{step}.safetensors" for step in ("01", "04", "07", "10")),
        "record/environment.jsonl",
        "record/terms.jsonl",
        "record/weights.jsonl",
    ]
    assert files_of(tmp_path / "all") == [
        "batches/step-000007.rank-001.safetensors",
        "batches/step-000007.safetensors",
        "batches/step-000010.rank-001.safetensors",
        "batches/step-000010.safetensors",
        "record/environment.jsonl",
        "record/environment.rank-001.jsonl",
        "record/terms.jsonl",
        "record/terms.rank-001.jsonl",
        "record/weights.jsonl",
        "record/weights.rank-001.jsonl",
    ]
    for rank, suffix in enumerate(("", ".rank-001")):
        found = columns_of(tmp_path / "all" / "record" / f"terms{suffix}.jsonl")
        assert found["step"] == [1, 4, 7, 10]
        path = tmp_path / "all" / "batches" / f"step-000010{suffix}.safetensors"
        metadata, tensors = batch_of(path)
        assert metadata["rank"] == f"{rank} of 2"
        term = (tensors["prediction"] - tensors["image"]).abs().mean().item()
        assert found["a"][-1] == term
        assert found["total"][-1] == 2.0 * term
        assert metadata["weights"] == '{"a": 2.0}'
    first, second = (
        columns_of(tmp_path / "all" / "record" / f"terms{s}.jsonl") for s in ("", ".rank-001")
    )
    assert first["a"] != second["a"]
    assert columns_of(tmp_path / "default" / "record" / "terms.jsonl") == first


@pytest.mark.parametrize(
    ("rank", "size", "expected"),
    [
        ("3", "4", Rank(3, 4)),
        ("0", "1", Rank()),
        ("3", "", Rank()),
        ("", "4", Rank()),
        ("4", "4", Rank()),
        ("-1", "4", Rank()),
        ("x", "4", Rank()),
    ],
)
def test_a_launcher_says_the_rank_before_the_processes_meet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rank: str, size: str, expected: Rank
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", size)
    assert current_rank() == expected
    assert Recorder(tmp_path, every=1).is_due(1) == (expected.number == 0)
    assert Recorder(tmp_path, every=1, all_ranks=True).is_due(1)
