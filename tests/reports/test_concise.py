from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from samples import EMPTY, FAIL, HOSTILE_RESULT, SAMPLES

from lossaudit.model.finding import Finding, Location, Severity
from lossaudit.model.report import Page
from lossaudit.reports.concise import REPORT


@pytest.mark.parametrize("name", SAMPLES)
def test_looks_as_before(name: str, golden: Callable[[str, str], None]) -> None:
    text = REPORT.render(SAMPLES[name], Page())
    golden(f"reports/concise/{name}.expected", text)


def test_one_line_per_finding_then_the_verdict() -> None:
    lines = REPORT.render(HOSTILE_RESULT, Page()).splitlines()
    assert len(lines) == len(HOSTILE_RESULT.findings) + 1
    assert lines[-1].startswith("FAIL ")


def test_order_is_check_then_step_then_witness() -> None:
    keys = [
        ("b", None, "w"),
        ("a", None, "z"),
        ("a", (9, 9), "w"),
        ("a", (2, 9), "x"),
        ("a", (2, 9), "w"),
    ]
    findings = tuple(Finding(c, Severity.NOTE, "m", s, witness=w) for c, s, w in keys)
    expected = ["w: note a: m", "x: note a: m", "w: note a: m", "z: note a: m", "w: note b: m"]
    for order in (findings, findings[::-1]):
        lines = REPORT.render(replace(EMPTY, findings=order), Page()).splitlines()
        assert lines[:-1] == expected


def test_places_in_a_file_are_ordered_by_number() -> None:
    places = [Location("a", line=n) for n in (1, 2, 3, 10, 11, 20)]
    places += [Location("b", offset=n) for n in (9, 10)] + [Location("c", row=n) for n in (9, 10)]
    findings = tuple(Finding("c", Severity.NOTE, "m", location=p) for p in (*places, None))
    for order in (findings, findings[::-1]):
        lines = REPORT.render(replace(EMPTY, findings=order), Page()).splitlines()
        assert lines[:-1] == [f"{p}: note c: m" for p in (*places, "-")]


def test_page_changes_nothing() -> None:
    assert REPORT.render(FAIL, Page(20, colour=True)) == REPORT.render(FAIL, Page())
