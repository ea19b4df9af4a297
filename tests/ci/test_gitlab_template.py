"""The GitLab job's script, run here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml
from in_ci import ROOT, checkout, environment

JOB = yaml.safe_load((ROOT / "templates" / "lossaudit.gitlab-ci.yml").read_text())[".lossaudit"]


def test_the_jobs_script_writes_what_its_artifacts_name(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    (script,) = JOB["script"]
    variables = JOB["variables"] | {"LOSSAUDIT_LOGS": "bad.csv", "LOSSAUDIT_SPEC": "mine.loss.yaml"}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    reports = JOB["artifacts"]["reports"]
    assert (folder / reports["junit"]).read_text().startswith("<?xml")
    issues = json.loads((folder / reports["codequality"]).read_text())
    assert issues[0]["location"] == {"path": "mine.loss.yaml", "lines": {"begin": 2}}
    assert all((folder / path).exists() for path in JOB["artifacts"]["paths"])
