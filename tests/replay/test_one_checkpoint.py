"""One checkpoint for many batches: those that belong to it, and what the others must not say."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace
from safetensors import safe_open
from safetensors.torch import save_file
from typer.testing import CliRunner

from lossaudit.audit import recompute
from lossaudit.cli.main import app
from lossaudit.model.finding import Verdict
from lossaudit.model.result import ExitCode, Result
from lossaudit.spec.load import load_spec
from lossaudit.spec.schema import Spec
from lossaudit.witnesses.replay.request import Pair, Request

ROOT = Path(__file__).parent.parent.parent
RUN = ROOT / "fixtures" / "musetalk-tiny" / "runs" / "main"
BATCHES = RUN / "batches"
SPEC = load_spec(str(RUN / "lossaudit.yaml"))
PARTS = {"vae": str(RUN / "vae"), "unet_config": str(RUN / "unet" / "config.json")}
WHOLE = replace(
    SPEC,
    terms={**SPEC.terms, "loss_lip": dataclasses.replace(SPEC.terms["loss_lip"], region="whole")},
)


def command(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["recompute", *arguments, "--device", "cpu"])
    return done.exit_code, done.stdout, done.stderr


def test_of_a_folder_the_batches_that_belong_are_replayed_and_the_others_said() -> None:
    code, output, _ = command(
        *(str(RUN / "checkpoint-300"), "-b", str(BATCHES), "--format", "json"),
        *("-s", str(RUN / "lossaudit.yaml")),
    )
    result = json.loads(output)
    assert (code, result["verdict"], result["findings"]) == (0, "PASS", [])
    (witness,) = result["witnesses"]
    assert [(r["step"], r["depth"]) for r in witness["replays"]] == [(301, "full")]
    said = " ".join(s["reason"] for s in result["skipped"])
    assert "4 batches (of steps 1, 101, 300, 400) need other weights than " in said
    assert "checkpoint-300, which belongs to step 301" in said


def test_a_folder_without_its_batch_is_a_usage_error(tmp_path: Path) -> None:
    shutil.copy(BATCHES / "step-000101.safetensors", tmp_path)
    code, _, errors = command(
        *(str(RUN / "checkpoint-300"), "-b", str(tmp_path), "-s", str(RUN / "lossaudit.yaml")),
    )
    assert code == 2
    assert "checkpoint-300 belongs to step 301, and no batch is of that step" in errors
    assert "there are those of steps 101" in errors


def test_what_several_checkpoints_leave_without_weights_is_said() -> None:
    code, output, _ = command(
        *(str(RUN / "checkpoint-100"), str(RUN / "checkpoint-300"), "-b", str(BATCHES)),
        *("-s", str(RUN / "lossaudit.yaml"), "--format", "json"),
    )
    assert code == 0
    said = " ".join(s["reason"] for s in json.loads(output)["skipped"])
    assert "step-000300.safetensors: needs the weights after update 299" in said


def bare_batch(folder: Path, step: int) -> str:
    """A batch that holds the model's inputs and no prediction that could tell whose weights fit."""
    with safe_open(BATCHES / f"step-{step:06d}.safetensors", "pt") as file:
        names = [n for n in file.keys() if not n.startswith("image_pred")]  # noqa: SIM118
        tensors = {n: file.get_tensor(n) for n in names}
        stated = file.metadata()
    path = folder / f"step-{step:06d}.safetensors"
    save_file(tensors, path, stated)
    return str(path)


def replayed(weights: Path, batch: str, spec: Spec = SPEC) -> Result:
    return recompute(spec, Request((Pair(str(weights), batch),), "run", PARTS))


def test_weights_of_another_step_by_their_number_refute_nothing(tmp_path: Path) -> None:
    result = replayed(RUN / "checkpoint-300", bare_batch(tmp_path, 101))
    assert (result.verdict, result.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.FINDING)
    (found,) = result.findings
    assert found.check == "misaligned-checkpoint"
    assert "checkpoint-300 was written after update 300" in found.message
    assert "says nothing of step 101" in found.message


def test_weights_whose_number_fits_still_refute(tmp_path: Path) -> None:
    weights = tmp_path / "checkpoint-100"
    shutil.copytree(RUN / "checkpoint-300", weights)
    result = replayed(weights, bare_batch(tmp_path, 101))
    assert result.verdict is Verdict.FAIL
    assert [f.check for f in result.findings] == ["formula-mismatch"]


@pytest.mark.parametrize(("spec", "verdict"), [(SPEC, Verdict.PASS), (WHOLE, Verdict.FAIL)])
def test_weights_that_reproduce_a_step_count_whatever_their_number(
    tmp_path: Path, spec: Spec, verdict: Verdict
) -> None:
    weights = tmp_path / "checkpoint-7"
    shutil.copytree(RUN / "checkpoint-300", weights)
    result = replayed(weights, bare_batch(tmp_path, 301), spec)
    assert result.verdict is verdict, result.reason
    if verdict is Verdict.FAIL:
        assert [f.check for f in result.findings] == ["wrong-region"]


# The spec of the run ------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["batches", "batches/step-000301.safetensors"])
def test_the_spec_of_the_run_is_found_beside_its_batches(named: str) -> None:
    code, output, _ = command("-b", str(RUN / named), "--format", "json")
    result = json.loads(output)
    assert (code, result["verdict"], result["spec"]["name"]) == (0, "PASS", SPEC.name)
    paths = [i["path"] for i in result["reproduction"]["inputs"]]
    assert str(RUN / "lossaudit.yaml") in paths


def test_a_named_formula_or_spec_goes_before_the_run_s() -> None:
    code, _, errors = command("-b", str(BATCHES), "-f", "loss = a + b")
    assert code == 2
    assert "does not say what the term 'a' is computed from" in errors


def test_two_runs_with_specs_of_their_own_must_be_told_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "batches").mkdir(parents=True)
        shutil.copy(BATCHES / "step-000301.safetensors", tmp_path / name / "batches")
        shutil.copy(RUN / "lossaudit.yaml", tmp_path / name)
    folders = (str(tmp_path / name / "batches") for name in ("one", "two"))
    code, _, errors = command(*(a for folder in folders for a in ("-b", folder)))
    assert code == 2
    assert "the batches lie beside 2 specs" in errors


def test_no_spec_anywhere_is_a_usage_error(tmp_path: Path) -> None:
    shutil.copy(BATCHES / "step-000301.safetensors", tmp_path)
    code, _, errors = command("-b", str(tmp_path))
    assert code == 2
    assert "nothing is declared" in errors
