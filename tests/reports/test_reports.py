"""What holds for every report format; a new file in the folder is tested from its first day."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from samples import HOSTILE_RESULT, SAMPLES

from lossaudit import reports
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result
from lossaudit.registry import load

REPORTS: dict[str, Report] = load("lossaudit.reports", Report)
PAGES = [Page(80), Page(120, colour=True)]
TERMINAL = {"full"}
"""Formats that may hold colour."""
COMMANDS = {"github"}
"""Formats whose lines are meant to be commands to a CI runner."""

HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\udc00-\udfff]"
)
SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("page", PAGES, ids=["plain", "colour"])
@pytest.mark.parametrize("result", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize("name", REPORTS)
def test_text_ends_in_newline_and_never_changes(name: str, result: Result, page: Page) -> None:
    text = REPORTS[name].render(result, page)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert text == REPORTS[name].render(result, page)


@pytest.mark.parametrize("page", PAGES, ids=["plain", "colour"])
@pytest.mark.parametrize("name", REPORTS)
def test_hostile_text_leaves_no_control_character(name: str, page: Page) -> None:
    text = REPORTS[name].render(HOSTILE_RESULT, page)
    if page.colour and name in TERMINAL:
        text = SGR.sub("", text)
    assert not HIDDEN.findall(text)
    assert text.encode()


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", sorted(REPORTS.keys() - COMMANDS))
def test_no_line_is_a_command_to_a_ci_runner(name: str, width: int) -> None:
    text = REPORTS[name].render(HOSTILE_RESULT, Page(width))
    assert not re.search(r"^\s*::|##[a-z]*\[", text, re.MULTILINE)


def test_loading_the_reports_loads_no_rich() -> None:
    names = [f"lossaudit.reports.{m.name}" for m in pkgutil.iter_modules(reports.__path__)]
    code = f"import sys, {', '.join(names)}; sys.exit('rich' in sys.modules)"
    root = Path(__file__).parent.parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("name", REPORTS)
def test_summary_is_one_line(name: str) -> None:
    assert REPORTS[name].summary.isprintable()
