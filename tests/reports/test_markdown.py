"""Markdown, rendered to HTML by a parser of its own and looked at."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace
from samples import EMPTY, FAIL, HOSTILE, HOSTILE_RESULT, IN_CI, PASS, SAMPLES, violations

from lossaudit.model.finding import Finding, Severity
from lossaudit.model.report import Page
from lossaudit.model.result import Result, StepRange
from lossaudit.rendering.markdown import code, prose
from lossaudit.rendering.safe_text import escape_text
from lossaudit.reports.markdown import MOST_BYTES, REPORT

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
ALLOWED = {"h2", "h3", "h4", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "strong"} | {
    "br",
    "blockquote",
}


class Seen(HTMLParser):
    """Tags, attributes, and the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.outside_code: list[str] = []
        self.in_code = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.in_code = tag == "code" or self.in_code

    def handle_endtag(self, tag: str) -> None:
        self.in_code = self.in_code and tag != "code"

    def handle_data(self, text: str) -> None:
        self.text += text
        if not self.in_code:
            self.outside_code.append(text)


def seen(markdown: str) -> Seen:
    return Seen(PARSER.render(markdown))


def report(result: Result) -> str:
    return REPORT.render(result, Page())


@pytest.mark.parametrize("name", SAMPLES)
def test_looks_as_before(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"reports/markdown/{name}.expected", report(SAMPLES[name]))


@pytest.mark.bad_input(94, 95)
@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_but_tables_headings_and_code_comes_out(name: str) -> None:
    html = seen(report(SAMPLES[name]))
    assert html.tags <= ALLOWED
    assert html.attributes <= {"style"}  # the alignment of columns


ODD = st.text(st.sampled_from("ab1`|\\<>&@#[]()!*_~$:/.-+= \x1b\n\u202e"), max_size=40)


@pytest.mark.bad_input(94)
@given(ODD)
def test_a_name_is_shown_literally_and_means_nothing(name: str) -> None:
    shown = escape_text(name)
    for markdown in (f"x {code(name)} y", f"| a | b |\n|---|---|\n| {code(name)} | y |"):
        html = seen(markdown)
        assert html.tags <= ALLOWED
        expected = shown if shown.strip() else ""
        assert re.sub(r"\s+", " ", expected).strip() in re.sub(r"\s+", " ", html.text)
        assert "y" in html.text


@pytest.mark.bad_input(94)
@given(ODD)
def test_a_sentence_is_shown_literally_and_means_nothing(text: str) -> None:
    shown = escape_text(text)
    html = seen(f"| a | b |\n|---|---|\n| x{prose(text)}x | y |")
    assert html.tags <= ALLOWED
    wanted = re.sub(r"[\s`]+", "", f"x{shown}x")
    assert wanted in re.sub(r"[\s`]+", "", html.text)
    outside = html.outside_code
    assert not any(re.search(r"@\w|(?<!&)#\d|GH-\d", part) for part in outside)


OBEYED = """\
<img src=x onerror=y>
@octocat
[x](javascript:alert)
![x](http://e/i.png)
#80
GH-1
&copy;
http://evil.example
www.evil.example
**b**
$x$
:smile:
- a
1. a
# h
<!-- x
</td></tr>
0123456789abcdef0123456789abcdef01234567
"""


@pytest.mark.bad_input(94)
@pytest.mark.parametrize("text", OBEYED.splitlines())
def test_what_github_would_obey_is_text(text: str) -> None:
    finding = Finding("z", Severity.ERROR, text, None, None, {}, "w")
    result = replace(EMPTY, findings=(finding,), reason=text)
    html = seen(report(result))
    assert html.tags <= ALLOWED
    assert html.text.count(text) == 2
    assert not any(re.search(r"@\w|(?<!&)#\d|GH-\d", part) for part in html.outside_code)
    assert not re.search(r"(?<!`)\b(https?://|www\.)", report(result))


def test_it_says_what_a_reviewer_asks_for() -> None:
    text = report(IN_CI)
    assert text.startswith("## ❌ lossaudit: FAIL `musetalk-v1`\n")
    for section in ("Agreement", "Findings", "Certified weights", "First violations", "Skipped"):
        assert f"## {section}\n" in text, section
    assert "| steps 0 to 1,200 | 380 |" in text
    assert "Known, so it changes no exit code: the second stage" in text
    assert report(PASS).startswith("## ✅ lossaudit: PASS")


@pytest.mark.bad_input(99)
@pytest.mark.parametrize("fill", ["x", "\x1b", "|", "損"])
def test_it_stays_below_the_limit_and_cuts_whole_rows(fill: str) -> None:
    finding = Finding("z", Severity.ERROR, fill * 3000, (0, 1), None, {}, fill * 3000)
    ranges = tuple(StepRange(k, k, 1) for k in range(100))
    many = replace(
        FAIL.witnesses[0],
        first_violations=violations(20),
        violation_ranges=ranges,
        reason=fill * 3000,
        undecided={f"{k}{fill * 3000}": 1 for k in range(100)},
    )
    result = replace(FAIL, findings=(finding,) * 600, witnesses=(many,) * 40)
    text = report(result)
    assert len(text.encode()) <= MOST_BYTES
    assert "more lines had no room here" in text
    assert text.rstrip().splitlines()[-1].startswith("Exit code 1")
    for line in text.splitlines():
        assert not line.startswith("| ") or line.endswith(" |")


def test_rows_that_are_left_out_of_a_table_are_counted() -> None:
    many = tuple(Finding("z", Severity.NOTE, f"m{k:03}") for k in range(250))
    text = report(replace(EMPTY, findings=many))
    assert "| m199 |" in text
    assert "| m200 |" not in text
    assert "\nand 50 more\n" in text


def test_hostile_text_is_shown() -> None:
    assert escape_text(HOSTILE)[:30] in seen(report(HOSTILE_RESULT)).text
