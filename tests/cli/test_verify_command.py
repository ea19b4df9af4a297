from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lossaudit.cli.verify import safe_arguments
from lossaudit.errors import UsageError

ROOT = Path(__file__).parent.parent.parent
LOG = ROOT / "fixtures" / "musetalk-tiny" / "runs" / "main" / "log.jsonl"


def lossaudit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lossaudit", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with a log, a spec and the result of its audit."""
    shutil.copy(LOG, tmp_path / "log.jsonl")
    shutil.copy(ROOT / "lossaudit" / "presets" / "musetalk-v1.yaml", tmp_path / "spec.yaml")
    options = ("--spec", "spec.yaml", "--format", "json", "--output", "result.json")
    assert lossaudit(tmp_path, "check", "log.jsonl", *options).returncode == 0
    return tmp_path


def differences(folder: Path) -> list[dict[str, Any]]:
    ran = lossaudit(folder, "verify", "result.json", "--format", "json")
    found: list[dict[str, Any]] = json.loads(ran.stdout)["differences"]
    return found


def edit(path: Path, was: str, now: str) -> None:
    text = path.read_text()
    assert was in text
    path.write_text(text.replace(was, now, 1))


def test_an_untouched_run_is_identical(run: Path) -> None:
    ran = lossaudit(run, "verify", "result.json")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("✓ verified: PASS musetalk-v1, identical\n")
    assert differences(run) == []


def test_a_changed_byte_of_the_log_is_said_with_what_follows_from_it(run: Path) -> None:
    edit(run / "log.jsonl", '"loss_lip": 0.49', '"loss_lip": 0.48')
    ran = lossaudit(run, "verify", "result.json")
    assert ran.returncode == 1
    assert "✗ not verified: PASS musetalk-v1 then, now FAIL; 1 input changed" in ran.stdout
    found = differences(run)
    assert [(d["kind"], d["where"]) for d in found[:2]] == [
        ("input", "log.jsonl"),
        ("verdict", "verdict"),
    ]


def test_a_changed_byte_that_changes_no_verdict_is_still_said(run: Path) -> None:
    edit(run / "log.jsonl", '"lr": 0.0', '"lr":  0.0')
    ran = lossaudit(run, "verify", "result.json")
    assert ran.returncode == 1
    assert "PASS musetalk-v1 then, the verdict is the same; 1 input changed" in ran.stdout
    assert {d["where"] for d in differences(run) if d["kind"] == "input"} == {"log.jsonl"}


def test_a_changed_weight_is_shown_as_the_line_of_the_spec(run: Path) -> None:
    edit(run / "spec.yaml", "formula: 2.0*loss_lip", "formula: 2.5*loss_lip")
    (line,) = [d for d in differences(run) if d["kind"] == "spec"]
    assert line["was"] == "formula: 2.0*loss_lip + loss_latents"
    assert line["now"] == "formula: 2.5*loss_lip + loss_latents"


def test_the_spec_that_an_audit_finds_in_the_folder_is_an_input_too(run: Path) -> None:
    (run / "run").mkdir()
    shutil.move(run / "log.jsonl", run / "run" / "log.jsonl")
    shutil.move(run / "spec.yaml", run / "run" / "lossaudit.yaml")
    made = lossaudit(run, "audit", "run", "--format", "json", "--output", "result.json")
    assert made.returncode == 0, made.stderr
    assert lossaudit(run, "verify", "result.json").returncode == 0
    edit(run / "run" / "lossaudit.yaml", "formula: 2.0*loss_lip", "formula: 2.5*loss_lip")
    found = differences(run)
    assert found[0]["kind"] == "input"
    assert found[0]["where"] == "run/lossaudit.yaml"
    assert [d["now"] for d in found if d["kind"] == "spec"] == [
        "formula: 2.5*loss_lip + loss_latents"
    ]


def test_a_weight_changed_in_a_config_file_is_a_changed_input(run: Path) -> None:
    shutil.copy(run / "spec.yaml", run / "my.yaml")
    edit(run / "my.yaml", "formula: 2.0*loss_lip", "formula: lip*loss_lip")
    with (run / "my.yaml").open("a") as spec:
        spec.write("parameters: {lip: {file: train.yaml, key: loss.lip}}\n")
    (run / "train.yaml").write_text("loss: {lip: 2.0, gan: 1.0}\n")
    options = ("--spec", "my.yaml", "--quiet", "--report", "json=result.json")
    assert lossaudit(run, "check", "log.jsonl", *options).returncode == 0
    assert differences(run) == []
    edit(run / "train.yaml", "lip: 2.0", "lip: 2.5")
    ran = lossaudit(run, "verify", "result.json")
    assert "then, now FAIL; 1 input changed" in ran.stdout
    assert [d["where"] for d in differences(run) if d["kind"] == "input"] == ["train.yaml"]
    (run / "train.yaml").unlink()
    assert (
        "1 of 3 inputs are not here: train.yaml" in lossaudit(run, "verify", "result.json").stderr
    )


def test_a_changed_baseline_is_a_changed_input(run: Path) -> None:
    edit(run / "log.jsonl", '"loss_lip": 0.49', '"loss_lip": 0.48')
    options = ("log.jsonl", "--spec", "spec.yaml", "--quiet")
    lossaudit(run, "check", *options, "--write-baseline", "known.yaml")
    edit(run / "known.yaml", "reason: ''", "reason: edited by hand")
    accepted = ("--baseline", "known.yaml", "--report", "json=result.json")
    assert lossaudit(run, "check", *options, *accepted).returncode == 0
    assert differences(run) == []
    edit(run / "known.yaml", "edited by hand", "for no reason")
    found = differences(run)
    assert [d["where"] for d in found if d["kind"] == "input"] == ["known.yaml"]


def test_reports_written_into_the_run_contradict_nothing(run: Path) -> None:
    (run / "run").mkdir()
    shutil.move(run / "log.jsonl", run / "run" / "log.jsonl")
    shutil.move(run / "spec.yaml", run / "run" / "lossaudit.yaml")
    kinds = {"json": "result.json", "markdown": "report.md", "junit": "r.xml", "gitlab": "q.json"}
    reports = [f"--report={kind}=run/{name}" for kind, name in kinds.items()]
    made = lossaudit(run, "audit", "run", "--quiet", *reports)
    assert made.returncode == 0, made.stderr
    ran = lossaudit(run, "verify", "run/result.json")
    assert ran.returncode == 0, ran.stdout
    assert "✓ verified: PASS musetalk-v1, identical" in ran.stdout
    assert "report.md" in ran.stdout


def test_a_run_copied_out_of_its_repository_is_identical(run: Path) -> None:
    inside = run / "repository" / "runs"
    inside.mkdir(parents=True)
    (run / "repository" / ".git").mkdir()
    for name in ("log.jsonl", "spec.yaml"):
        shutil.copy(run / name, inside / name)
    options = ("--spec", "spec.yaml", "--quiet", "--report", "json=result.json")
    assert lossaudit(inside, "check", "log.jsonl", *options).returncode == 0
    copy = run / "copy"
    shutil.copytree(inside, copy)
    ran = lossaudit(copy, "verify", "result.json")
    assert ran.returncode == 0, ran.stdout
    assert "verified: PASS musetalk-v1, identical" in ran.stdout


def test_inputs_are_found_from_the_results_own_folder(run: Path) -> None:
    elsewhere = run / "deep"
    elsewhere.mkdir()
    assert lossaudit(elsewhere, "verify", "../result.json").returncode == 0


def test_a_missing_input_is_named(run: Path) -> None:
    (run / "log.jsonl").unlink()
    ran = lossaudit(run, "verify", "result.json")
    assert ran.returncode == 4
    assert "1 of 2 inputs are not here: log.jsonl" in ran.stderr
    assert "--root" in ran.stderr


def test_a_module_of_our_name_beside_the_inputs_is_not_run(run: Path) -> None:
    (run / "lossaudit").mkdir()
    (run / "lossaudit" / "__init__.py").write_text("open('canary', 'w')\n")
    (run / "json.py").write_text("open('canary', 'w')\n")
    script = Path(sys.executable).parent / "lossaudit"
    ran = subprocess.run(
        [str(script), "verify", "result.json"], cwd=run, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert not (run / "canary").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["check", "--output=spec.yaml", "--", "log.jsonl"],
        ["check", "--report=json=spec.yaml", "--", "log.jsonl"],
        ["check", "-o", "spec.yaml", "--", "log.jsonl"],
        ["identify", "--write-spec=spec.yaml", "--", "log.jsonl"],
        ["verify", "--", "result.json"],
        ["check", "log.jsonl", "--", "log.jsonl"],
    ],
)
def test_a_result_cannot_ask_for_anything_but_reading(run: Path, command: list[str]) -> None:
    document = json.loads((run / "result.json").read_text())
    document["reproduction"]["command"] = command
    (run / "result.json").write_text(json.dumps(document))
    before = (run / "spec.yaml").read_bytes()
    ran = lossaudit(run, "verify", "result.json")
    assert ran.returncode == 2, ran.stdout
    assert (run / "spec.yaml").read_bytes() == before


def test_code_from_elsewhere_needs_the_users_word() -> None:
    class Parameter:
        name, opts, secondary_opts = "adapter", ["--adapter"], []  # type: ignore[var-annotated]

    class Command:
        params = (Parameter(),)

    command = ["recompute", "--adapter=evil.module:run", "--", "b.safetensors"]
    with pytest.raises(UsageError, match="may run code"):
        safe_arguments(command, {"recompute": Command()}, set())
    assert safe_arguments(command, {"recompute": Command()}, {"adapter"}) == command


def test_a_result_from_standard_input_cannot_be_repeated(run: Path) -> None:
    made = subprocess.run(
        [
            *(sys.executable, "-m", "lossaudit", "check", "-", "--spec", "spec.yaml"),
            *("--format", "json", "--output", "piped.json"),
        ],
        cwd=run,
        input=(run / "log.jsonl").read_bytes(),
        check=False,
    )
    assert made.returncode == 0
    ran = lossaudit(run, "verify", "piped.json")
    assert ran.returncode == 2
    assert "standard input" in ran.stderr


@pytest.mark.bad_input(102)
@pytest.mark.parametrize(
    ("command", "target"),
    [
        ("verify", "result.json"),
        ("verify", "log.jsonl"),
        ("verify", "spec.yaml"),
        ("diff", "result.json"),
    ],
)
def test_a_report_replaces_nothing_that_it_is_about(run: Path, command: str, target: str) -> None:
    results = ["result.json"] * (2 if command == "diff" else 1)
    before = (run / target).read_bytes()
    ran = lossaudit(run, command, *results, "--output", target)
    assert ran.returncode == 2
    assert "would replace" in ran.stderr
    assert (run / target).read_bytes() == before


def test_diff_tells_the_figures_run_from_the_codes(run: Path) -> None:
    shutil.copy(LOG.parent.parent / "figure" / "log.jsonl", run / "figure.jsonl")
    options = ("--spec", "spec.yaml", "--format", "json", "--output", "figure.json")
    assert lossaudit(run, "check", "figure.jsonl", *options).returncode == 1
    ran = lossaudit(run, "diff", "result.json", "figure.json")
    assert ran.returncode == 1
    assert ran.stdout.startswith("FAIL: the runs optimise different losses")
    same = lossaudit(run, "diff", "result.json", "result.json", "--format", "json")
    assert json.loads(same.stdout)["verdict"] == "PASS"


def test_a_result_that_is_not_there_is_no_missing_log(tmp_path: Path) -> None:
    ran = lossaudit(tmp_path, "verify", "result.json")
    assert ran.returncode == 4
    assert "expected: a result, as `--report json=FILE` writes it" in ran.stderr


def test_another_processor_moves_numbers_within_their_bounds(tmp_path: Path) -> None:
    """A processor without vector instructions is another device, whose sums have another order."""
    import torch

    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        pytest.skip("this processor has no vector instructions to do without")
    shutil.copytree(LOG.parent, tmp_path / "run")
    without = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    command = [sys.executable, "-m", "lossaudit", "audit", "run", "--device", "cpu", "--quiet"]
    report = ["--report", "json=result.json"]
    subprocess.run([*command, *report], cwd=tmp_path, env=without, check=True)
    ran = lossaudit(tmp_path, "verify", "result.json")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("✓ verified: PASS musetalk-tiny, within the stated bounds\n")
    found = differences(tmp_path)
    assert {d["kind"] for d in found} == {"within bounds", "environment"}
    (kernels,) = (d for d in found if d["kind"] == "environment")
    assert kernels["where"].endswith("environment.cpu_kernels")
    assert kernels["was"].startswith("DEFAULT")
