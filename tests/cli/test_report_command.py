"""`lossaudit report`: a stored result in any format, byte for byte as the first time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lossaudit import registry

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "fixtures" / "musetalk-tiny" / "runs"
FORMATS = registry.listed("lossaudit.reports")
AUDITS = {
    "pass": ["check", "fixtures/musetalk-tiny/runs/main/log.jsonl", "--spec", "musetalk-v1"],
    "two logs": [
        "check",
        "fixtures/musetalk-tiny/runs/figure/log.csv",
        "fixtures/musetalk-tiny/runs/resumed/events",
        "--spec",
        "musetalk-v1",
    ],
    "balance": ["balance", "fixtures/musetalk-tiny/runs/main/events", "--spec", "musetalk-v1"],
    "balance of a refuted log": [
        *("balance", "fixtures/musetalk-tiny/runs/figure/log.jsonl"),
        *("--spec", "musetalk-v1"),
    ],
    "identify": ["identify", "fixtures/musetalk-tiny/runs/figure/log.jsonl"],
}


def lossaudit(*args: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "lossaudit", *map(str, args)]
    return subprocess.run(command, capture_output=True, cwd=cwd, check=False)


@pytest.mark.parametrize("name", AUDITS)
def test_a_stored_result_renders_as_the_first_time(tmp_path: Path, name: str) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    for folder in (first, again):
        folder.mkdir()
    written = [o for f in FORMATS for o in ("--report", f"{f}={first / f}")]
    audit = lossaudit(*AUDITS[name], *written)
    assert audit.stderr == b""
    rendered = [o for f in FORMATS for o in ("--report", f"{f}={again / f}")]
    report = lossaudit("report", first / "json", *rendered)
    assert (report.returncode, report.stdout) == (audit.returncode, audit.stdout)
    for form in FORMATS:
        assert (again / form).read_bytes() == (first / form).read_bytes(), form


def test_a_result_on_standard_input_is_rendered(tmp_path: Path) -> None:
    stored = tmp_path / "result.json"
    lossaudit(*AUDITS["pass"], "--format", "json", "-o", stored)
    command = [sys.executable, "-m", "lossaudit", "report", "-", "--format", "concise"]
    done = subprocess.run(command, input=stored.read_bytes(), capture_output=True, check=False)
    assert done.stdout.startswith(b"PASS musetalk-v1")


def test_a_report_may_not_replace_the_result(tmp_path: Path) -> None:
    stored = tmp_path / "result.json"
    lossaudit(*AUDITS["pass"], "--format", "json", "-o", stored)
    content = stored.read_bytes()
    done = lossaudit("report", stored, "-o", stored)
    assert done.returncode == 2
    assert stored.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 10_000, "nested too deeply"),
        (b'{"schema": "lossaudit/1"}', "missing required field"),
        (b'{"a": 1, "a": 2}', "occurs twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is no result that this version can read"),
        (b"x" * (9 << 20), "larger than 8 MiB"),
        (b"", "is no result"),
    ],
    ids=["deep", "incomplete", "duplicate", "NaN", "digits", "large", "empty"],
)
def test_what_is_no_result_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "result.json").write_bytes(content)
    done = lossaudit("report", tmp_path / "result.json")
    assert done.returncode == 4
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "FAIL"}, "its verdict is FAIL, and no finding says why"),
        ({"verdict": "FAIL", "exit_code": 3}, "its exit code 3 does not go with its verdict FAIL"),
        ({"exit_code": 70}, "its exit code 70 does not go with its verdict PASS"),
        ({"exit_code": 1}, "its exit code is 1, and no finding of it counts"),
        ({"witnesses": []}, "its verdict is PASS, and that of no witness is"),
        (
            {"findings": [{"check": "x", "severity": "error", "message": "m"}]},
            "its exit code is 0, and 1 of its findings count",
        ),
        ({"series": {"step": [1], "total": [1.0, 2.0]}}, "the lists of its series"),
        ({"series": {"total": [1.0]}}, "the lists of its series"),
    ],
    ids=["FAIL", "FAIL-3", "70", "1", "no witness", "hidden error", "ragged", "no step"],
)
def test_a_result_at_odds_with_itself_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """Changed by hand: such a result is no audit of ours, and no job may succeed on it."""
    stored = tmp_path / "result.json"
    lossaudit(*AUDITS["pass"], "--quiet", "--report", f"json={stored}")
    document = json.loads(stored.read_text())
    stored.write_text(json.dumps(document | changes))
    done = lossaudit("report", stored, "--quiet", "--report", f"html={tmp_path / 'page.html'}")
    assert done.returncode == 4, done.stderr
    assert message in done.stderr.decode()


def test_an_absolute_path_and_a_folder_below_are_named_as_in_the_repository(tmp_path: Path) -> None:
    """What the reports of one log call it does not depend on where the audit was started."""
    (tmp_path / ".git").mkdir()
    runs = tmp_path / "runs" / "1"
    runs.mkdir(parents=True)
    log = runs / "log.jsonl"
    log.write_bytes((RUNS / "figure" / "log.jsonl").read_bytes())
    spec = ["--spec", "musetalk-v1", "--format", "json"]
    prints = []
    for cwd, name in ((tmp_path, "runs/1/log.jsonl"), (runs, "log.jsonl"), (runs, str(log))):
        document = json.loads(lossaudit("check", name, *spec, cwd=cwd).stdout)
        prints.append([f["fingerprint"] for f in document["findings"]])
        shown = document["repository_paths"].get(name, name)
        assert shown == "runs/1/log.jsonl"
    assert prints[0] == prints[1] == prints[2]
    assert all(re.fullmatch("[0-9a-f]{32}", p) for p in prints[0])
