"""A replay tells what it was computed with, and what the run says of its training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lossaudit.recorder import Recorder

SPEC = """\
name: two-terms
formula: 2.0*a + b
terms:
  a: {kind: l1, reduction: mean, prediction: x, target: y}
  b: {kind: mse, reduction: mean, prediction: x, target: y}
rivals: {other: a + 2.0*b}
log: {total: [total], terms: {a: [a], b: [b]}}
"""


def lossaudit(
    folder: Path, *arguments: str, threads: str = "1"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lossaudit", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run with its recordings, and the result of its audit."""
    folder = tmp_path_factory.mktemp("surroundings")
    weight = torch.nn.Parameter(torch.linspace(-1, 1, 64))
    optimiser = torch.optim.SGD([weight], lr=0.1)
    recorder = Recorder(folder / "run", every=2)
    torch.manual_seed(7)
    for step in range(1, 8):
        recorder.begin(step)
        y = torch.rand(64)
        x = weight * y
        a, b = (x - y).abs().mean(), (x - y).square().mean()
        total = 2.0 * a + b
        recorder.record(step, total, {"a": a, "b": b}, {"x": x, "y": y}, gradients_at=[weight])
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    assert recorder.lost == ()
    (folder / "run" / "lossaudit.yaml").write_text(SPEC)
    made = lossaudit(folder, "audit", "run", "--format", "json", "--output", "result.json")
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def result(folder: Path, name: str = "result.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text())
    return found


def test_the_audit_tells_how_it_recomputed_and_what_the_run_says(folder: Path) -> None:
    found = result(folder)
    (replay,) = [w for w in found["witnesses"] if w["kind"] == "replay"]
    told = replay["environment"]
    assert (told["device"], told["threads"], told["deterministic_algorithms"]) == (
        "cpu",
        "1",
        "off",
    )
    assert told["cpu_kernels"].startswith(torch.backends.cpu.get_cpu_capability())
    assert {json.dumps(r["policy"]) for r in replay["replays"]} == {'{"terms": "float32, float64"}'}
    assert found["training"]["torch"] == torch.__version__
    assert found["training"]["seed"] == "7"
    paths = [i["path"] for i in found["reproduction"]["inputs"]]
    assert {"run/record/environment.jsonl", "run/record/weights.jsonl"} <= set(paths)


def test_a_log_audit_tells_nothing_of_torch(folder: Path) -> None:
    options = ("--spec", "run/lossaudit.yaml", "--format", "json", "--output", "log.json")
    assert lossaudit(folder, "check", "run/record/terms.jsonl", *options).returncode == 0
    found = result(folder, "log.json")
    assert "torch" not in found["environment"]
    assert "training" not in found
    assert all("environment" not in w for w in found["witnesses"])


def test_verify_says_what_it_was_computed_with_now(folder: Path) -> None:
    same = lossaudit(folder, "verify", "result.json")
    assert same.stdout.startswith("✓ verified: PASS two-terms, identical\n"), same.stdout
    other = lossaudit(folder, "verify", "result.json", "--format", "json", threads="2")
    found = [d for d in json.loads(other.stdout)["differences"] if d["kind"] == "environment"]
    assert [(d["where"], d["was"], d["now"]) for d in found] == [
        ("replay run: environment.threads", "1", "2")
    ]


def test_recompute_alone_finds_it_in_the_batches(folder: Path) -> None:
    options = ("--spec", "run/lossaudit.yaml", "--format", "json", "--output", "again.json")
    assert lossaudit(folder, "recompute", "-b", "run/batches", *options).returncode == 0
    assert result(folder, "again.json")["training"]["torch"] == torch.__version__


def test_a_changed_recording_of_the_environment_is_a_changed_input(folder: Path) -> None:
    path = folder / "run" / "record" / "environment.jsonl"
    before = path.read_text()
    path.write_text(before.replace(torch.__version__, "1.0"))
    ran = lossaudit(folder, "verify", "result.json", "--format", "json")
    path.write_text(before)
    found = [d for d in json.loads(ran.stdout)["differences"] if d["kind"] == "input"]
    assert ran.returncode == 1
    assert [d["where"] for d in found] == ["run/record/environment.jsonl"]


def test_a_hostile_environment_refuses_no_audit(folder: Path) -> None:
    path = folder / "run" / "record" / "environment.jsonl"
    before = path.read_text()
    path.write_text('{"torch": "\\u001b[31m"}\n{"a": [[[[]]]]}\n')
    ran = lossaudit(folder, "audit", "run")
    path.write_text(before)
    assert ran.returncode == 0, ran.stdout
    assert "\x1b" not in ran.stdout
    assert "environment.jsonl is not what the recorder writes" in " ".join(ran.stdout.split())
