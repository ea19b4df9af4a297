"""Numbers 92 to 99: what an audited log says, in every report format, those to come included."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile import rows
from lxml import etree
from markdown_it import MarkdownIt
from msgspec.structs import replace

from lossaudit import registry
from lossaudit.audit import AuditOptions, check_logs
from lossaudit.model.finding import Finding, Location, Severity
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result, Rule
from lossaudit.spec.load import spec_from_formula

number = pytest.mark.bad_input
FORMATS: dict[str, Report] = registry.load("lossaudit.reports", Report)

NAMES = {
    92: ["::error::x", "::add-mask::y", "##[error]z", "::stop-commands::t"],
    93: ["a%0Ab", "a,line=9", "a::b", "100%", "title=x:y"],
    94: ["a|b", "`c`", "<img src=x>", "@octocat", "[x](javascript:alert(1))", "#1", "**b**"],
    95: ["<script>alert(1)</script>", "</script><svg onload=x>", "<b>", "&lt;i&gt;", "]]><x/>"],
    96: ["=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\tx"],
    97: ["a\x00b", "]]>", "\x0b\x1f", "\ufffe\uffff", "<!--", "&#0;"],
}
"""By the number of the list of bad input: names of tags that a log may hold."""


def audited(folder: Path, names: list[str]) -> Result:
    """The audit of a log whose tags have these names and whose total is wrong on the last rows."""
    lines = []
    for k, _, lip, lat in rows(60):
        terms = {f"loss_{name}": (lip + lat * i) / 3 for i, name in enumerate(names)}
        lines.append(json.dumps({"step": k, "loss": sum(terms.values()) + (k > 50), **terms}))
    log = folder / "log.jsonl"
    log.write_text("\n".join(lines) + "\n")
    result = check_logs(spec_from_formula("loss = sum(`loss_*`)"), [str(log)], AuditOptions())
    name = names[0]
    own = [
        Finding(
            n, Severity.ERROR, f"`{n}` {n}", (0, 1), Location(f"runs/{n}", line=3), {"term": n}, n
        )
        for n in names
    ]
    rule = Rule(name, name, f"{name}\n\n{names[-1]}")
    return replace(
        result,
        findings=(*result.findings, *own),
        skipped=((name, names[-1]),),
        reason=f"{result.reason}; {' '.join(names)}",
        rules=(*result.rules, rule),
        environment={name: name},
    )


def rendered(form: str, result: Result) -> str:
    return FORMATS[form].render(result, Page())


@number(92)
@pytest.mark.parametrize("form", FORMATS)
def test_no_line_is_a_command_of_the_logs(tmp_path: Path, form: str) -> None:
    text = rendered(form, audited(tmp_path, NAMES[92]))
    lines = [line.strip() for line in text.splitlines()]
    commands = {line.split(" ")[0] for line in lines if line.startswith("::")}
    assert commands <= ({"::error", "::warning", "::notice"} if form == "github" else set())
    if form != "github":  # a line that starts with :: is read as that command and no further
        assert not re.search(r"##[a-z]*\[", text)


@number(93)
def test_no_property_of_an_annotation_is_the_logs(tmp_path: Path) -> None:
    text = rendered("github", audited(tmp_path, NAMES[93]))
    for line in text.splitlines():
        properties = line[2 : line.index("::", 2)].partition(" ")[2]
        keys = [pair.partition("=")[0] for pair in properties.split(",")]
        assert keys in (["title"], ["file", "line", "title"])
        assert "line=9" not in properties.split(",")


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@number(94)
@pytest.mark.parametrize("numbered", [94, 95])
def test_markdown_of_a_log_is_text(tmp_path: Path, numbered: int) -> None:
    text = rendered("markdown", audited(tmp_path, NAMES[numbered]))
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    found = Elements(parser.render(text)).found
    allowed = "h2 h3 h4 p table thead tbody tr th td code strong br blockquote"
    assert {tag for tag, _ in found} <= set(allowed.split())
    assert {key for _, attrs in found for key in attrs} <= {"style"}


@number(95)
@pytest.mark.parametrize("form", sorted({"html", "junit"} & set(FORMATS)))
@pytest.mark.parametrize("numbered", [94, 95])
def test_html_of_a_log_is_text(tmp_path: Path, form: str, numbered: int) -> None:
    plain = Elements(rendered(form, audited(tmp_path, ["lip", "lat", "c", "d", "e"]))).found
    hostile = Elements(rendered(form, audited(tmp_path, NAMES[numbered]))).found
    assert {tag for tag, _ in hostile} <= {tag for tag, _ in plain} | {"code"}
    handlers = {key for _, attrs in hostile for key in attrs if key.startswith("on")}
    assert handlers <= {key for _, attrs in plain for key in attrs}
    links = [v or "" for _, attrs in hostile for k, v in attrs.items() if k in ("href", "src")]
    assert not any("javascript" in link for link in links)
    count = sum(tag == "script" for tag, _ in plain)
    assert sum(tag == "script" for tag, _ in hostile) == count


@number(96)
@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"html"}))
def test_no_report_is_a_table_whose_cell_a_spreadsheet_would_run(tmp_path: Path, form: str) -> None:
    """No format is read by spreadsheets; where one would be taken for CSV, no cell is a formula."""
    text = rendered(form, audited(tmp_path, NAMES[96]))
    assert form not in ("csv", "tsv")
    cells = [cell for line in text.splitlines() for cell in re.split(r"\t", line)]
    assert not any(re.match(r"[=@]|[+-]\d", cell) for cell in cells)


@number(97)
@pytest.mark.parametrize("form", FORMATS)
def test_what_claims_to_be_xml_or_json_is(tmp_path: Path, form: str) -> None:
    text = rendered(form, audited(tmp_path, NAMES[97]))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]", text)
    if text.startswith("<?xml"):
        etree.fromstring(text.encode())
    if form in ("json", "sarif", "gitlab"):
        json.loads(text, parse_constant=lambda name: pytest.fail(name))


LIMITS = {"sarif": 10_000_000, "gitlab": 10_000_000, "markdown": 900 * 1024}


@number(98, 99)
@pytest.mark.parametrize("form", LIMITS)
def test_what_a_service_would_refuse_as_too_large_is_cut_and_counted(
    tmp_path: Path, form: str
) -> None:
    result = audited(tmp_path, NAMES[97])
    many = tuple(
        Finding("z", Severity.NOTE, f"{k:05} " + "\x1b" * 2000, (k, k), Location("log", line=k + 1))
        for k in range(6000)
    )
    text = rendered(form, replace(result, findings=many))
    assert len(text.encode()) <= LIMITS[form]
    assert re.search(r"[\d,]+ more", text)
