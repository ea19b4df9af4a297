"""Annotations, parsed back as the runner parses them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from samples import EMPTY, FAIL, HOSTILE_RESULT, IN_CI, INCONCLUSIVE, PASS, SAMPLES

from lossaudit.model.finding import Finding, Location, Severity
from lossaudit.model.report import Page
from lossaudit.model.result import ExitCode, Result
from lossaudit.rendering.safe_text import show_hidden
from lossaudit.reports.github import MOST, REPORT

DATA = {"%0D": "\r", "%0A": "\n", "%25": "%"}
PROPERTY = {**DATA, "%3A": ":", "%2C": ","}


class Parsed(Struct):
    command: str
    properties: dict[str, str]
    message: str


def unescaped(text: str, table: dict[str, str]) -> str:
    """As the runner does it: one replacement after the other, `%25` last."""
    for escape in sorted(table, key=lambda e: e == "%25"):
        text = text.replace(escape, table[escape])
    return text


def parse(line: str) -> Parsed:
    """A line as actions/runner's ActionCommand.TryParseV2 reads it."""
    line = line.strip()
    assert line.startswith("::")
    end = line.index("::", 2)
    name, _, rest = line[2:end].partition(" ")
    properties = {}
    for pair in filter(None, rest.strip().split(",")):
        key, _, value = pair.partition("=")
        properties[key] = unescaped(value, PROPERTY)
    return Parsed(name, properties, unescaped(line[end + 2 :], DATA))


def annotations(result: Result) -> list[Parsed]:
    return [parse(line) for line in REPORT.render(result, Page()).splitlines()]


@pytest.mark.parametrize("name", SAMPLES)
def test_looks_as_before(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"reports/github/{name}.expected", REPORT.render(SAMPLES[name], Page()))


def visible(text: str) -> str:
    """What a reader sees: newlines as they are, everything else that hides as an escape."""
    return "\n".join(show_hidden(line) for line in text.split("\n"))


NAMES = st.text(st.sampled_from("a%,:;\n\r\x1b=2503AD \u202e`"), min_size=1, max_size=30)


@pytest.mark.bad_input(92, 93)
@given(NAMES, NAMES, NAMES)
def test_hostile_names_come_back_from_the_runners_parser(check: str, path: str, text: str) -> None:
    place = Location(f"runs/{path}x", line=3)
    finding = Finding(f"x{check}x", Severity.ERROR, f"x{text}x", None, place)
    found = annotations(replace(EMPTY, findings=(finding,)))
    (parsed,) = [a for a in found if a.command == "error"]
    assert parsed.message == visible(f"x{text}x")
    assert parsed.properties["title"] == visible(f"lossaudit x{check}x")
    assert parsed.properties["line"] == "3"
    assert set(parsed.properties) == {"file", "line", "title"}


@pytest.mark.bad_input(92, 93)
def test_no_name_starts_a_command_of_its_own() -> None:
    evil = "x\n::add-mask::secret\n::error file=a::b\r\n::stop-commands::t\n##[error]z"
    finding = Finding(evil, Severity.WARNING, evil, None, Location(evil, line=1))
    result = replace(EMPTY, findings=(finding,), reason=evil)
    found = annotations(result)
    assert [a.command for a in found] == ["warning", "warning"]
    assert found[1].message == visible(evil)
    assert found[1].properties["file"] == visible(evil)
    for parsed in annotations(HOSTILE_RESULT):
        assert parsed.command in ("error", "warning", "notice")


def test_what_is_inconclusive_is_no_error() -> None:
    assert [a.command for a in annotations(INCONCLUSIVE)] == ["warning"]
    allowed = replace(INCONCLUSIVE, exit_code=ExitCode.PASS)
    assert [a.command for a in annotations(allowed)] == ["notice"]
    assert {a.command for a in annotations(PASS)} == {"notice"}
    assert annotations(FAIL)[0].command == "error"


def test_it_stands_on_the_specs_formula_and_names_the_row() -> None:
    found = next(
        a for a in annotations(IN_CI) if a.properties["title"] == "lossaudit rival-formula"
    )
    assert (found.properties["file"], found.properties["line"]) == ("audits/musetalk.yaml", "2")
    assert found.message.endswith("Found at runs/stage1/log.jsonl:2.")


def test_a_known_finding_is_a_notice() -> None:
    known = [a for a in annotations(IN_CI) if "Known: " in a.message]
    assert [a.command for a in known] == ["notice"]


@pytest.mark.parametrize("count", [8, 9, 10, 500])
def test_at_most_nine_of_a_kind_and_the_number_of_the_others(count: int) -> None:
    many = tuple(Finding(f"c{k:03}", severity, "m") for severity in Severity for k in range(count))
    found = annotations(replace(FAIL, findings=many))
    for command in ("error", "warning", "notice"):
        own = [a for a in found if a.command == command]
        of_kind = count + (command == "error")
        assert len(own) <= MOST + 1
        if of_kind > MOST:
            assert re.fullmatch(rf"and {of_kind - MOST} more", own[-1].message)
        else:
            assert len(own) == of_kind
