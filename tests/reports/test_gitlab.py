from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from samples import EMPTY, FAIL, IN_CI, INCONCLUSIVE, SAMPLES

from lossaudit.model.finding import Finding, Location, Severity
from lossaudit.model.report import Page
from lossaudit.model.result import Result
from lossaudit.reports.gitlab import MOST_BYTES, REPORT

SCHEMA = {"description", "check_name", "fingerprint", "severity", "location", "type"}
"""What GitLab's documentation requires, and `type`, which Code Climate's has."""


def issues(result: Result) -> list[dict[str, Any]]:
    found = json.loads(REPORT.render(result, Page()))
    for issue in found:
        assert set(issue) == SCHEMA
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["lines"]["begin"] >= 1
        path = issue["location"]["path"]
        assert path
        assert not path.startswith("./")
    assert len({i["fingerprint"] for i in found}) == len(found)
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", SAMPLES)
def test_looks_as_before_and_is_as_gitlab_wants_it(
    name: str, golden: Callable[[str, str], None]
) -> None:
    issues(SAMPLES[name])
    golden(f"reports/gitlab/{name}.expected", REPORT.render(SAMPLES[name], Page()))


def test_errors_are_critical_and_stand_on_the_specs_formula() -> None:
    found = {i["check_name"]: i for i in issues(IN_CI)}
    assert found["rival-formula"]["severity"] == "critical"
    place = {"path": "audits/musetalk.yaml", "lines": {"begin": 2}}
    assert found["rival-formula"]["location"] == place


def test_what_is_inconclusive_or_known_is_information() -> None:
    (issue,) = issues(INCONCLUSIVE)
    assert (issue["check_name"], issue["severity"]) == ("inconclusive", "info")
    assert [i["severity"] for i in issues(IN_CI) if "(known: " in i["description"]] == ["info"]


def test_findings_that_are_alike_have_fingerprints_of_their_own() -> None:
    alike = Finding("damaged-input", Severity.ERROR, "m", None, Location("a", line=1), {}, "a")
    other = replace(alike, location=Location("a", line=2))
    assert len(issues(replace(FAIL, findings=(alike, alike, other)))) == 3


def test_what_is_beyond_ten_megabytes_is_counted() -> None:
    many = tuple(Finding("z", Severity.NOTE, "\x1b" * 2000, (k, k)) for k in range(6000))
    text = REPORT.render(replace(EMPTY, findings=many), Page())
    assert len(text.encode()) <= MOST_BYTES
    found = json.loads(text)
    assert (
        found[-1]["description"] == f"lossaudit left-out: and {6001 - len(found):,} more findings"
    )
