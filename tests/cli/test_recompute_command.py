"""`lossaudit recompute` and `lossaudit audit`: options, exit codes, messages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lossaudit.cli.main import app

ROOT = Path(__file__).parent.parent.parent
CASE = ROOT / "fixtures" / "defects" / "replays" / "whole-image"
RUN = CASE / "repaired"
BATCHES = str(RUN / "batches")
SPEC = str(CASE / "spec.yaml")
RUNNER = CliRunner()


def run(*arguments: str) -> tuple[int, str, str]:
    done = RUNNER.invoke(app, [*arguments])
    return done.exit_code, done.stdout, done.stderr


def test_recompute_passes_and_says_which_device_it_took() -> None:
    import torch

    code, output, errors = run("recompute", "-b", BATCHES, "-s", SPEC, "--format", "concise")
    assert code == 0
    assert output.startswith("PASS inpainting: the formula holds on all 3 replayed steps")
    said = "replaying on cuda:" if torch.cuda.is_available() else "no CUDA device is there"
    assert said in errors


def test_quiet_on_the_device_that_was_asked_for() -> None:
    code, output, errors = run("recompute", "-b", BATCHES, "-s", SPEC, "--device", "cpu", "-q")
    assert (code, output, errors) == (0, "", "")


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:999", ""])
def test_impossible_device_is_a_usage_error(device: str) -> None:
    code, output, errors = run("recompute", "-b", BATCHES, "-s", SPEC, "--device", device)
    assert (code, output) == (2, "")
    assert "expected: auto, cpu, cuda or cuda:N" in errors


def test_defect_gives_exit_code_1_in_every_report(tmp_path: Path) -> None:
    batches = str(CASE / "defect" / "batches")
    stored = tmp_path / "result.json"
    code, output, _ = run(
        *("recompute", "-b", batches, "-s", SPEC, "--device", "cpu", "--format", "concise"),
        *("--report", f"json={stored}"),
    )
    assert code == 1
    assert "error wrong-region" in output
    result = json.loads(stored.read_text())
    assert (result["verdict"], result["exit_code"]) == ("FAIL", 1)
    assert len(result["witnesses"][0]["replays"]) == 3


def test_no_batch_is_a_usage_error() -> None:
    code, _, errors = run("recompute", "-s", SPEC)
    assert code == 2
    assert "no sample batch is named" in errors


def test_missing_batch_is_damage_and_no_pass() -> None:
    code, output, _ = run(
        "recompute",
        "-b",
        "no/such.safetensors",
        "-s",
        SPEC,
        "--device",
        "cpu",
        "--format",
        "concise",
    )
    assert code == 4
    assert "damaged-input" in output
    assert "INCONCLUSIVE" in output


def test_empty_folder_of_batches_is_refused(tmp_path: Path) -> None:
    code, _, errors = run("recompute", "-b", str(tmp_path), "-s", SPEC)
    assert code == 4
    assert "has no *.safetensors" in errors


def test_formula_without_definitions_says_what_is_lacking() -> None:
    code, _, errors = run("recompute", "-b", BATCHES, "-f", "loss = a + b", "--device", "cpu")
    assert code == 2
    assert "does not say what the term 'a' is computed from" in errors


def test_weights_that_no_adapter_can_run_are_a_usage_error() -> None:
    weights = str(ROOT / "fixtures/musetalk-tiny/runs/main/checkpoint-100")
    batch = f"{BATCHES}/step-000003.safetensors"
    code, _, errors = run("recompute", weights, "-b", batch, "-s", SPEC, "--device", "cpu")
    assert code == 2
    assert "does not say which model the checkpoint is of" in errors
    assert "--adapter NAME" in errors


def test_report_may_not_replace_a_batch(tmp_path: Path) -> None:
    shutil.copytree(RUN, tmp_path / "run")
    batch = str(tmp_path / "run" / "batches" / "step-000003.safetensors")
    before = Path(batch).read_bytes()
    code, _, errors = run("recompute", "-b", batch, "-s", SPEC, "-o", batch)
    assert code == 2
    assert "would replace" in errors
    assert Path(batch).read_bytes() == before


def test_rival_that_is_the_truth_is_named() -> None:
    code, output, _ = run(
        *("recompute", "-b", BATCHES, "-s", SPEC, "--device", "cpu", "--format", "concise"),
        *("--rival", "same=loss_mouth + loss_mouth + loss_code"),
    )
    assert code == 0
    assert "the declared formula in other words" in output


def test_audit_needs_a_spec_and_says_how_to_name_one() -> None:
    code, _, errors = run("audit", str(RUN))
    assert code == 2
    assert "has no lossaudit.yaml" in errors
    assert "--spec NAME_OR_PATH" in errors


def test_audit_of_a_run_gives_one_verdict() -> None:
    code, output, _ = run("audit", str(RUN), "-s", SPEC, "--device", "cpu", "--format", "json")
    result = json.loads(output)
    assert (code, result["verdict"]) == (0, "PASS")
    assert [w["kind"] for w in result["witnesses"]] == ["log", "replay"]
    assert [w["verdict"] for w in result["witnesses"]] == ["INCONCLUSIVE", "PASS"]


def test_progress_goes_to_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    from lossaudit.cli.progress import show_work

    with show_work(wanted=True) as report:
        report("replaying 1 of 3")
    assert capsys.readouterr() == ("", "")
