"""The hooks, run by pre-commit on a scratch repository; only the installation is left out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from in_ci import ROOT, checkout, environment

MANIFEST = ROOT / ".pre-commit-hooks.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "repository").mkdir()
    return checkout(tmp_path / "repository")


def run_hook(folder: Path, hook: str, args: list[str] | None = None) -> tuple[int, str]:
    """Exit code and output of one hook on all files, its command taken from the path."""
    hooks = yaml.safe_load(MANIFEST.read_text())
    chosen = next(h for h in hooks if h["id"] == hook) | {"language": "system"}
    chosen |= {"args": args} if args is not None else {}
    config = {"repos": [{"repo": "local", "hooks": [chosen]}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    surroundings = environment(PRE_COMMIT_HOME=str(folder.parent / "home"))
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True, env=surroundings)
    done = subprocess.run(
        ["pre-commit", "run", hook, "--all-files", "--color=never"],
        cwd=folder,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_manifest_is_one() -> None:
    command = ["pre-commit", "validate-manifest", str(MANIFEST)]
    subprocess.run(command, check=True, env=environment())


def test_lint_looks_at_specs_alone(folder: Path) -> None:
    code, output = run_hook(folder, "lossaudit-lint")
    assert (code, "Passed" in output) == (0, True), output
    (folder / "mine.loss.yaml").write_text("name: mine\nformula: 2*(a + b\n")
    code, output = run_hook(folder, "lossaudit-lint")
    assert code == 1
    assert "mine.loss.yaml:2:" in output


def test_check_audits_the_log_of_a_smoke_run(folder: Path) -> None:
    for log, expected in (("good.csv", 0), ("bad.csv", 1)):
        code, output = run_hook(folder, "lossaudit-check", [log, "--spec", "mine.loss.yaml"])
        assert code == expected, output
    assert "rival-formula" in output
