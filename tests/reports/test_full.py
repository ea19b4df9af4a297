from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from samples import FAIL, HOSTILE_RESULT, PASS, REFUTED, SAMPLES, TWO_WITNESSES, UNTOLD_RIVAL

from lossaudit.model.finding import Verdict
from lossaudit.model.report import Page
from lossaudit.model.result import ExitCode, Result
from lossaudit.reports.full import REPORT

SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SAMPLES)
def test_looks_as_before(name: str, width: int, golden: Callable[[str, str], None]) -> None:
    text = REPORT.render(SAMPLES[name], Page(width))
    golden(f"reports/full/{name}-{width}.expected", text)


@pytest.mark.parametrize("width", [1, 30, 60, 80, 120, 200])
@pytest.mark.parametrize("result", SAMPLES.values(), ids=SAMPLES)
def test_no_line_is_wider_than_the_page(result: Result, width: int) -> None:
    lines = REPORT.render(result, Page(width)).splitlines()
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("result", SAMPLES.values(), ids=SAMPLES)
def test_colour_adds_nothing_but_colour(result: Result) -> None:
    coloured = REPORT.render(result, Page(80, colour=True))
    assert coloured != SGR.sub("", coloured)
    assert SGR.sub("", coloured) == REPORT.render(result, Page(80))


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize(
    "variables",
    [
        {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "31", "LINES": "3", "TTY_COMPATIBLE": "0"},
        {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1", "JUPYTER_COLUMNS": "31"},
    ],
)
def test_environment_changes_nothing(
    variables: dict[str, str], colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = REPORT.render(FAIL, Page(80, colour))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert REPORT.render(FAIL, Page(80, colour)) == before


def test_matrix_says_who_agrees() -> None:
    text = REPORT.render(FAIL, Page(120))
    assert "✗ refuted on 399/400 rows" in text
    assert "✓ agrees 400/400" in text


def test_surviving_rival_cannot_be_told() -> None:
    text = REPORT.render(UNTOLD_RIVAL, Page(120))
    assert "drop loss_latents" in text
    assert text.count("agrees 400/400: cannot be told") == 2
    assert "cannot be told from diagram (1)" in text
    assert "exit code 0: inconclusive, allowed by --allow-inconclusive" in text


def test_five_violations_are_shown_and_the_rest_counted() -> None:
    text = REPORT.render(FAIL, Page(80))
    assert "line 6 " in text
    assert "line 7 " not in text
    assert "and 394 more" in text


def test_number_columns_never_wrap() -> None:
    wide = tuple(
        replace(v, step=10**12 + k, total=123456.7891, recomputed=123457.2812)
        for k, v in enumerate(REFUTED.first_violations)
    )
    result = replace(FAIL, witnesses=(replace(REFUTED, first_violations=wide),))
    text = REPORT.render(result, Page(80))
    row = next(line for line in text.splitlines() if "1,000,000,000,004" in line)
    assert "123456.7891" in row
    assert row.endswith(" x")


@pytest.mark.parametrize("width", range(50, 131))
def test_columns_are_dropped_rather_than_cut(width: int) -> None:
    text = REPORT.render(FAIL, Page(width))
    table = text[text.index("First violations") : text.index("Over the run")]
    assert "…" not in table
    assert "2,450 x" in table
    assert ("recomputed" in table) == (width >= 64)


def test_two_witnesses_fit_side_by_side_at_80() -> None:
    text = REPORT.render(TWO_WITNESSES, Page(80))
    assert "  declared                       ✗ refuted on 399/400 rows  ✓ agrees\n" in text
    assert "\n    2.0*loss_lip + loss_latents\n" in text


def test_finding_names_its_place_and_what_else_fits() -> None:
    text = REPORT.render(FAIL, Page(120))
    assert "error    rival-formula  steps 0 to 399  runs/stage1/log.jsonl:2" in text
    assert "Fits as well: swapped-weights, loss_lip + 2*loss_latents." in text


def test_errors_come_before_notes() -> None:
    text = REPORT.render(FAIL, Page(80))
    assert text.index("rival-formula  steps") < text.index("dominant-term") < text.index("note ")


@pytest.mark.parametrize("code", ExitCode)
def test_last_line_explains_the_exit_code(code: ExitCode) -> None:
    last = REPORT.render(replace(PASS, exit_code=code), Page(80)).splitlines()[-1]
    assert last.startswith(f"exit code {int(code)}: ")


def test_long_text_is_clipped() -> None:
    assert len(REPORT.render(HOSTILE_RESULT, Page(100))) < 40_000


def test_matrix_of_many_witnesses_fits_80_columns_without_a_wrapped_cell() -> None:
    names = ("a.csv", "record/terms.jsonl", "events-total-only", "b", "c", "d", "e")
    several = tuple(replace(REFUTED, source=f"runs/1/{name}") for name in names)
    shown = REPORT.render(replace(FAIL, witnesses=several), Page(80))
    matrix = shown.split("Agreement\n")[1].split("\n  declared:")[0].splitlines()
    assert len(matrix) == 2 + len(names)
    assert max(map(len, matrix)) <= 80
    assert "log record/terms.jsonl  ✗ refuted " in matrix[3]


def test_of_several_witnesses_those_that_pass_have_a_line_each_unless_the_page_is_verbose() -> None:
    failing = replace(PASS.witnesses[0], source="runs/1/bad.csv", verdict=Verdict.FAIL)
    passing = [replace(PASS.witnesses[0], source=f"runs/1/{k}.csv") for k in range(3)]
    result = replace(PASS, verdict=Verdict.FAIL, witnesses=(passing[0], failing, *passing[1:]))
    text = REPORT.render(result, Page(100))
    assert ("log runs/1/bad.csv: FAIL" in text, ".csv: PASS" in text) == (True, False)
    assert text.count("How the log was read") == 1
    passed = text[text.index("\nPassed\n") :]
    assert [passed.count(f"log {k}.csv") for k in range(3)] == [1, 1, 1]
    assert "Each in full: --verbose" in passed
    whole = REPORT.render(result, Page(100, verbose=True))
    assert whole.count("How the log was read") == 4
    assert "\nPassed\n" not in whole


def test_one_witness_alone_is_shown_in_full() -> None:
    assert REPORT.render(PASS, Page(100)) == REPORT.render(PASS, Page(100, verbose=True))
    assert "How the log was read" in REPORT.render(PASS, Page(100))
