"""`--baseline`: known findings are listed and change no exit code; stale entries are said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lossaudit.recorder import Recorder

ROOT = Path(__file__).parents[2]
FORMULA = ["-f", "loss = 2*a + b"]
SPEC = """\
name: two-terms
formula: 3.0*a + b
terms:
  a: {kind: l1, reduction: mean, prediction: x, target: y}
  b: {kind: mse, reduction: mean, prediction: x, target: y}
log: {total: [total], terms: {a: [a], b: [b]}}
"""


def lossaudit(*args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lossaudit", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    write_log(tmp_path, wrong=3)
    return tmp_path


def write_log(folder: Path, wrong: int, first: int = 0) -> None:
    """A log whose total is 1 too large on row `wrong`; -1 for none."""
    lines = ["step,loss,a,b"]
    for k in range(40):
        a, b = 1.0 + k % 5 / 4, 1.5 - k % 3 / 2
        lines.append(f"{first + k},{2 * a + b + (k == wrong)},{a},{b}")
    (folder / "log.csv").write_text("\n".join(lines) + "\n")


def check(folder: Path, *args: str) -> tuple[int, dict[str, Any]]:
    done = lossaudit("check", "log.csv", *FORMULA, "--format", "json", *args, cwd=folder)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def accept(folder: Path, reason: str = "row 3 was edited by hand, see issue 12") -> Path:
    """Write the baseline, and say why, as a user does."""
    check(folder, "--write-baseline", "known.yaml")
    known = folder / "known.yaml"
    known.write_text(known.read_text().replace("reason: ''", f"reason: {reason}"))
    return known


def test_a_known_finding_is_listed_with_its_reason_and_changes_no_exit_code(folder: Path) -> None:
    assert check(folder)[0] == 1
    accept(folder)
    code, result = check(folder, "--baseline", "known.yaml")
    assert (code, result["verdict"], result["exit_code"]) == (0, "FAIL", 0)
    assert {f["known"] for f in result["findings"]} == {"row 3 was edited by hand, see issue 12"}
    shown = lossaudit(
        "check", "log.csv", *FORMULA, "--baseline", "known.yaml", "--format", "concise", cwd=folder
    )
    assert "(known: row 3 was edited by hand, see issue 12)" in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("FAIL")


def test_it_is_known_again_after_rows_and_steps_have_moved(folder: Path) -> None:
    accept(folder)
    write_log(folder, wrong=17, first=1000)
    assert check(folder, "--baseline", "known.yaml")[0] == 0


def test_a_known_mismatch_does_not_cover_more_rows_than_it_had(folder: Path) -> None:
    accept(folder)
    table = (folder / "log.csv").read_text().splitlines()
    assert "rows: 1" in (folder / "known.yaml").read_text()
    doubled = [table[0], *(_doubled(line) for line in table[1:])]
    (folder / "log.csv").write_text("\n".join(doubled) + "\n")
    code, result = check(folder, "--baseline", "known.yaml")
    assert code == 1
    assert [f["known"] for f in result["findings"] if f["severity"] == "error"] == [""]


def _doubled(line: str) -> str:
    step, loss, a, b = line.split(",")
    return f"{step},{2 * float(loss)},{a},{b}"


def test_a_stale_entry_is_said(folder: Path) -> None:
    accept(folder)
    write_log(folder, wrong=-1)
    code, result = check(folder, "--baseline", "known.yaml")
    assert (code, result["verdict"]) == (0, "PASS")
    stale = [s for s in result["skipped"] if s["check"].startswith("baseline ")]
    assert stale[0]["reason"].startswith("known.yaml:")
    assert "matches no finding: delete it" in stale[0]["reason"]


def test_a_reason_is_required(folder: Path) -> None:
    check(folder, "--write-baseline", "known.yaml")
    done = lossaudit("check", "log.csv", *FORMULA, "--baseline", "known.yaml", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("known.yaml:4:5: the entry has no reason\n")
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("findings: 3", "no findings are listed"),
        ("found: []", "the key 'found' is unknown"),
        ("findings: [x]", "the entry has no fingerprint"),
        ("findings: [{fingerprint: a, check: b, reason: c, why: d}]", "the key 'why' is unknown"),
        (
            "findings:" + 2 * "\n- {fingerprint: a, check: b, reason: c}",
            "known.yaml:3:3: the fingerprint is on line 2 too",
        ),
        ("findings: [{fingerprint: a, check: b, reason: c, rows: -1}]", "rows is no number"),
        ("findings: &a [*a]", "the anchor '&a' is refused"),
    ],
)
def test_a_faulty_baseline_is_refused_with_its_place(folder: Path, text: str, message: str) -> None:
    (folder / "known.yaml").write_text(text)
    done = lossaudit("check", "log.csv", *FORMULA, "--baseline", "known.yaml", cwd=folder)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with a recorded run whose spec declares another formula than was trained."""
    (tmp_path / ".git").mkdir()
    recorder = Recorder(tmp_path / "run", every=1)
    for step in range(1, 5):
        x = torch.linspace(-1, step, 32, requires_grad=True)
        a, b = x.abs().mean(), x.square().mean()
        recorder.record(step, 2.0 * a + b, {"a": a, "b": b}, {"x": x, "y": torch.zeros(32)})
    assert recorder.lost == ()
    (tmp_path / "run" / "lossaudit.yaml").write_text(SPEC)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["audit", "run"],
        ["recompute", "-b", "run/batches", "--spec", "run/lossaudit.yaml"],
        ["check", "run/record/terms.jsonl", "--spec", "run/lossaudit.yaml"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_judges_takes_one(run: Path, command: list[str]) -> None:
    first = lossaudit(*command, "--format", "json", "--write-baseline", "known.yaml", cwd=run)
    assert first.returncode == 1, first.stderr
    known = run / "known.yaml"
    faulty = lossaudit(*command, "--baseline", "known.yaml", cwd=run)
    assert (faulty.returncode, faulty.stdout) == (2, "")
    assert "the entry has no reason" in faulty.stderr
    known.write_text(known.read_text().replace("reason: ''", "reason: see issue 12"))
    options = ("--baseline", "known.yaml", "--format", "json", "--output", "result.json")
    again = lossaudit(*command, *options, cwd=run)
    assert again.returncode == 0, again.stderr
    result = json.loads((run / "result.json").read_text())
    assert (result["verdict"], result["exit_code"]) == ("FAIL", 0)
    assert {f["known"] for f in result["findings"] if f["severity"] == "error"} == {"see issue 12"}
    assert "known.yaml" in [i["path"] for i in result["reproduction"]["inputs"]]
    verified = lossaudit("verify", "result.json", cwd=run)
    assert verified.stdout.startswith("✓ verified: FAIL two-terms, identical"), verified.stdout
    known.write_text(known.read_text().replace("issue 12", "issue 13"))
    changed = lossaudit("verify", "result.json", "--format", "json", cwd=run)
    assert json.loads(changed.stdout)["differences"][0]["where"] == "known.yaml"


@pytest.mark.parametrize("target", ["run/record/terms.jsonl", "run/lossaudit.yaml"])
def test_an_audits_baseline_may_not_replace_what_is_audited(run: Path, target: str) -> None:
    before = (run / target).read_bytes()
    done = lossaudit("audit", "run", "--write-baseline", target, cwd=run)
    assert done.returncode == 2, done.stdout
    assert (run / target).read_bytes() == before


def test_it_may_not_replace_the_log(folder: Path) -> None:
    before = (folder / "log.csv").read_text()
    done = lossaudit("check", "log.csv", *FORMULA, "--write-baseline", "log.csv", cwd=folder)
    assert done.returncode == 2
    assert (folder / "log.csv").read_text() == before
