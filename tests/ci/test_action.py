"""The composite action: its shell steps are run here, as far as there is no GitHub."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from in_ci import ROOT, checkout, environment

FOLDER = ROOT / ".github" / "actions" / "lossaudit"
ACTION: dict[str, Any] = yaml.safe_load((FOLDER / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
INPUT = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return checkout(tmp_path)


def run_action(folder: Path, **inputs: str) -> tuple[int, dict[str, str], str, str]:
    """Exit code, outputs, annotations and step summary of the audit step."""
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    assert set(given) <= set(ACTION["inputs"])
    values = {n: given.get(n, i.get("default", "")) for n, i in ACTION["inputs"].items()}
    step = next(s for s in STEPS if s.get("id") == "audit")
    variables = {
        name: INPUT.sub(lambda m: values[m[1]], text) for name, text in step["env"].items()
    }
    output, summary = folder / "output", folder / "summary"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env=environment(
            GITHUB_ACTION_PATH=str(FOLDER),
            GITHUB_OUTPUT=str(output),
            GITHUB_STEP_SUMMARY=str(summary),
            **variables,
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    pairs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return done.returncode, pairs, done.stdout, summary.read_text() if summary.exists() else ""


def test_a_failing_run_fails_the_step_and_annotates(folder: Path) -> None:
    code, outputs, annotations, summary = run_action(folder, logs="bad.csv", spec="mine.loss.yaml")
    assert code == 1
    assert outputs == {"verdict": "FAIL", "exit-code": "1", "sarif-file": "lossaudit.sarif"}
    assert "::error file=mine.loss.yaml,line=2,title=lossaudit rival-formula::" in annotations
    assert summary.startswith("## ❌ lossaudit: FAIL `mine`")
    (run,) = json.loads((folder / "lossaudit.sarif").read_text())["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "mine.loss.yaml", "uriBaseId": "%SRCROOT%"}


def test_a_passing_run_passes(folder: Path) -> None:
    code, outputs, annotations, summary = run_action(
        folder, logs="good.csv", spec="mine.loss.yaml", junit_file="junit.xml"
    )
    assert (code, outputs["verdict"], outputs["exit-code"]) == (0, "PASS", "0")
    assert "::error" not in annotations
    assert summary.startswith("## ✅")
    assert (folder / "junit.xml").read_text().startswith("<?xml")


def test_inconclusive_fails_unless_it_is_allowed(folder: Path) -> None:
    for allowed, code in (("false", 3), ("true", 0)):
        found, outputs, _, _ = run_action(
            folder, logs="short.csv", spec="mine.loss.yaml", allow_inconclusive=allowed
        )
        assert (found, outputs["verdict"]) == (code, "INCONCLUSIVE")


def test_an_error_of_use_gives_no_verdict(folder: Path) -> None:
    code, outputs, said, summary = run_action(folder, logs="good.csv", spec="missing.yaml")
    assert "::error title=lossaudit could not audit::exit code 2" in said
    assert (code, summary) == (2, "")
    assert outputs == {"verdict": "", "exit-code": "2", "sarif-file": ""}


def test_inputs_are_never_run(folder: Path) -> None:
    evil = "good.csv; touch pwned $(touch pwned) `touch pwned` && touch pwned"
    run_action(folder, logs=evil, spec=evil, formula=evil, rivals=evil, sarif_file=evil)
    run_action(folder, logs=f"--output=pwned\n{evil}", formula=f"loss = 2*a + b #{evil}")
    assert not (folder / "pwned").exists()
    *_, outputs = [run_action(folder, logs="good.csv", spec="x", sarif_file="a\nverdict=PASS")[1]]
    assert outputs["verdict"] == ""


def test_inputs_come_through_the_environment_alone_and_uses_are_pinned() -> None:
    for step in STEPS:
        assert "${{" not in step.get("run", "")
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
    assert set(ACTION["outputs"]) == {"verdict", "exit-code", "sarif-file"}
