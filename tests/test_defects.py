"""Each defect of a composite loss is named in every format, and its repaired twin is left alone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from defect_cases import FOLDER, NAMES, Case, cases, every_log
from msgspec.structs import replace

from lossaudit import registry
from lossaudit.closure.check import Check
from lossaudit.model.finding import Severity

CASES = {case.name: case for case in cases()}
LOGS = [pytest.param(case, log, id=f"{case.name}-{log}") for case, log in every_log()]

REMAINING = {
    "log.txt": {"display-rounding"},  # four decimals do not add up as they stand
    "trainer_state.json": {"display-rounding"},
    "bar.txt": {"display-rounding", "duplicate-steps"},  # closing a bar redraws it
}
"""Notes that a right log of a format deserves."""


def weighty(case: Case, side: str, log: str) -> set[str]:
    """Checks with an error or a warning."""
    found = case.audit(side, log).findings
    return {f.check for f in found if f.severity is not Severity.NOTE}


@pytest.mark.parametrize(("case", "log"), LOGS)
def test_defect_gets_its_verdict_and_its_name(case: Case, log: str) -> None:
    result = case.audit("defect", log)
    assert result.verdict.value == case.verdict, result.reason
    if case.exit_code is not None:
        assert int(result.exit_code) == case.exit_code
    found = next((f for f in result.findings if f.check == case.check), None)
    assert found is not None, result.findings
    assert case.names in found.message
    if case.steps is not None and log == "bar.txt":  # three digits refute later
        assert found.steps is not None
        assert case.steps[0] <= found.steps[0] < found.steps[1] == case.steps[1]
    elif case.steps is not None:
        assert found.steps == case.steps
    assert tuple(e["check"] for e in found.evidence.get("also", ())) == case.also


@pytest.mark.parametrize(("case", "log"), LOGS)
def test_nothing_else_is_blamed(case: Case, log: str) -> None:
    note = registry.load("lossaudit.checks", Check)[case.check].severity is Severity.NOTE
    named = set() if note else {case.check}
    assert weighty(case, "defect", log) == named | set(case.beside)


@pytest.mark.parametrize(("case", "log"), LOGS)
def test_repaired_twin_passes_in_silence(case: Case, log: str) -> None:
    result = case.audit("repaired", log)
    assert (result.verdict.value, int(result.exit_code)) == ("PASS", 0), result.reason
    assert {f.check for f in result.findings} <= REMAINING.get(log, set())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_case_is_recorded_in_two_formats_with_as_many_twins(case: Case) -> None:
    assert len(case.logs) >= 2
    for side in ("defect", "repaired"):
        assert {p.name for p in case.path(side, "").iterdir()} == set(case.logs) <= set(NAMES)


def test_every_recorded_folder_is_a_case() -> None:
    assert {p.name for p in (FOLDER / "cases").iterdir()} == set(CASES)


@pytest.mark.parametrize("name", ["figure-formula", "edited-config", "medians", "cut-copy"])
def test_command_line_says_the_same(name: str) -> None:
    case = CASES[name]
    for side in ("defect", "repaired"):
        expected = case.audit(side, "log.jsonl")
        path = f"fixtures/defects/cases/{name}/{side}/log.jsonl"
        command = [sys.executable, "-m", "lossaudit", "check", path, *case.arguments(side)]
        done = subprocess.run(
            [*command, "--format", "json"],
            capture_output=True,
            text=True,
            cwd=FOLDER.parent.parent,
            check=False,
        )
        assert done.returncode == int(expected.exit_code)
        said = json.loads(done.stdout)
        assert said["verdict"] == expected.verdict.value
        assert [f["check"] for f in said["findings"]] == [f.check for f in expected.findings]


@pytest.mark.parametrize("log", ["events", "log.jsonl", "log.txt"])
def test_changed_weight_is_found_at_the_resumption(log: str) -> None:
    result = CASES["edited-config"].audit("defect", log)
    assert result.witnesses[0].first_violations[0].step == 71
    (found,) = (f for f in result.findings if f.check == "weight-changed")
    change = {"term": "loss_rec", "before": 2.0, "after": 1.0, "last_before": 70, "step": 71}
    assert found.evidence["changes"] == [change]


@pytest.mark.parametrize("log", ["log.jsonl", "log.csv"])
def test_hidden_nan_is_found_on_its_rows(log: str) -> None:
    violations = CASES["hidden-nan"].audit("defect", log).witnesses[0].first_violations
    assert [v.step for v in violations] == [61, 62, 95]


@pytest.mark.parametrize("log", CASES["windowed-total"].logs)
def test_option_that_would_decide_does(log: str) -> None:
    case = CASES["windowed-total"]
    (found,) = (f for f in case.audit("defect", log).findings if f.check == case.check)
    told = replace(case, options=("--aggregate", found.evidence["aggregate"]))
    result = told.audit("defect", log)
    assert (result.verdict.value, result.witnesses[0].decided) == ("PASS", 101)
    assert weighty(told, "defect", log) == set()
