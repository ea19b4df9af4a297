"""The fixture `loss_audit`, in runs of pytest of its own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from in_ci import ROOT, checkout, environment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return checkout(tmp_path)


def run_tests(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_loss.py").write_text(f"def test_it(loss_audit):\n    {body}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "lossaudit.pytest_plugin", "-W", "error"]
    return subprocess.run(
        [*command, "--rootdir", ".", "test_loss.py"],
        cwd=folder,
        env=environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
        capture_output=True,
        text=True,
        check=False,
    )


STEP = "terms={'loss_lip': 0.25, 'loss_latents': 0.5}"


@pytest.mark.parametrize(
    "call",
    [
        f"loss_audit('musetalk-v1', total=1.0, {STEP})",
        "assert loss_audit('mine.loss.yaml', 'good.csv').verdict == 'PASS'",
        "loss_audit('loss = 2*a + b', total=[3.0, 4.5], terms={'a': [1.0, 2.0], 'b': [1.0, 0.5]})",
        "loss_audit('mine.loss.yaml', 'short.csv', allow_inconclusive=True)",
        "import numpy; x = numpy.float32(0.1); loss_audit('t = 2*a', total=2 * x, terms={'a': x})",
    ],
)
def test_a_step_or_a_log_that_follows_the_spec_passes(folder: Path, call: str) -> None:
    done = run_tests(folder, call)
    assert done.returncode == 0, done.stdout


def test_the_figures_formula_fails_with_the_reports_own_words(folder: Path) -> None:
    done = run_tests(folder, f"loss_audit('musetalk-v1', total=1.25, {STEP})")
    assert done.returncode == 1
    assert "the log follows rival `diagram`" in done.stdout
    assert "Agreement" in done.stdout
    assert "Traceback" not in done.stdout
    assert "1 failed" in done.stdout
    assert "Failed: FAIL musetalk-v1" in done.stdout  # of pytest's summary


def test_a_log_that_follows_the_rival_fails(folder: Path) -> None:
    done = run_tests(folder, "loss_audit('mine.loss.yaml', 'bad.csv')")
    assert done.returncode == 1
    assert "exchanged" in done.stdout


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("loss_audit('mine.loss.yaml', 'short.csv')", "INCONCLUSIVE"),
        ("loss_audit('mine.loss.yaml')", "takes either a log, or a total with its terms"),
        (
            "loss_audit('l = a', total=[1.0], terms={'a': [1.0, 2.0]})",
            "different numbers of steps",
        ),
    ],
)
def test_what_decides_nothing_is_no_pass(folder: Path, call: str, message: str) -> None:
    done = run_tests(folder, call)
    assert done.returncode == 1
    assert message in done.stdout


def test_it_imports_nothing_before_it_is_used() -> None:
    code = (
        "import sys, lossaudit.pytest_plugin\n"
        "print([m for m in ('numpy', 'msgspec', 'yaml', 'torch', 'rich') if m in sys.modules])"
    )
    command = [sys.executable, "-c", "import pytest\n" + code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.strip() == "[]" or "msgspec" not in done.stdout
    assert "numpy" not in done.stdout


def test_it_is_an_entry_point_of_pytest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"lossaudit": "lossaudit.pytest_plugin"}
