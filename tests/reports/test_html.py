from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import CHROMIUM, open_page
from msgspec.structs import replace
from samples import FAIL, HOSTILE_RESULT, PASS, PASSING, SAMPLES

from lossaudit.model.report import Page
from lossaudit.model.result import Result, Violation, Witness
from lossaudit.reports.html import REPORT

VOID = {"meta", "input", "br", "hr", "link", "img"}
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


class Reader(HTMLParser):
    """Collects elements, attributes and text, and checks that elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def render(result: Result) -> str:
    return REPORT.render(result, Page())


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def descriptions(page: str) -> list[dict[str, object]]:
    found = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return [json.loads(text) for text in found]


@pytest.mark.parametrize("result", SAMPLES.values(), ids=SAMPLES)
def test_elements_close_and_nothing_is_loaded_from_elsewhere(result: Result) -> None:
    reader = read(render(result))
    for tag, attributes in reader.elements:
        assert "src" not in attributes, tag
        assert str(attributes.get("href", "#")).startswith("#"), tag
        assert not any(name.startswith("on") for name in attributes), tag
    identities = [a["id"] for _, a in reader.elements if a.get("id")]
    assert len(identities) == len(set(identities))


def test_shows_verdict_agreement_findings_inputs_and_what_was_skipped() -> None:
    words = " ".join(read(render(PASS)).words)
    assert "PASS" in words
    assert PASS.reason in words
    assert "declared" in words
    assert PASSING.sha256 in words
    for check, reason in PASS.skipped:
        assert check in words
        assert reason in words
    failed = " ".join(read(render(FAIL)).words)
    assert all(f.message in failed for f in FAIL.findings)


def test_figures_tell_the_worst_residual_in_words_and_in_the_drawing() -> None:
    page = render(FAIL)
    residual = descriptions(page)[0]
    rows = residual["data"]["values"]  # type: ignore[index, call-overload]
    worst = max(rows, key=lambda row: row["size"] / row["tolerance"])
    label = f"worst: step {worst['step']:,.0f}, {worst['excess']}"
    drawn = page[page.index('<div class="still">') : page.index('<div class="live"')]
    assert label in drawn
    assert worst["residual"] in " ".join(read(page).words)


def test_every_witness_has_figures_of_its_own() -> None:
    second = replace(PASSING, source="runs/stage2/log.jsonl")
    reader = read(render(replace(PASS, witnesses=(PASSING, second))))
    charts = [a["data-chart"] for a in reader.named("figure")]
    assert "residual-0" in charts
    assert "residual-1" in charts


def test_repeated_steps_are_never_stacked_upon_each_other() -> None:
    series = {k: list(v) for k, v in PASSING.series.items()}
    series["step"] = [float(k // 2) for k in range(len(series["step"]))]
    page = render(replace(PASS, witnesses=(replace(PASSING, series=series),)))
    stacked = next(d for d in descriptions(page) if d.get("params") and "share" in json.dumps(d))
    rows = [r for r in stacked["data"]["values"] if r["term"] == "loss_lip"]  # type: ignore[index, call-overload]
    assert len({r["step"] for r in rows}) == len(rows) == len(series["step"])


def test_numbers_that_are_not_finite_are_shown_and_break_nothing() -> None:
    series = {k: list(v) for k, v in PASSING.series.items()}
    for column in ("total", "residual", "recomputed", "loss_lip"):
        series[column][3] = float("nan")
    series["residual"][5] = float("inf")
    series["tolerance"][6] = 0.0
    series["residual"][7], series["tolerance"][7] = 1.7e308, 5e-324
    page = render(replace(PASS, witnesses=(replace(PASSING, series=series),)))
    rows = descriptions(page)[0]["data"]["values"]  # type: ignore[index, call-overload]
    assert [r["row"] for r in rows].count("not finite") == 2
    assert "NaN" not in "".join(json.dumps(d) for d in descriptions(page))


def hostile() -> Result:
    """Names that close elements, start scripts, or are read by Vega as fields or signals."""
    names = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a.b['c']",
        '"; hidden=1; "',
        "<svg/onload=alert(1)>",
    ]
    length = len(PASSING.series["step"])
    known = ("step", "total", "recomputed", "residual", "tolerance")
    series = {n: PASSING.series[n] for n in known} | {n: [0.25] * length for n in names}
    weights = dict.fromkeys(names, PASSING.weights["loss_lip"])
    witness: Witness = replace(PASSING, series=series, weights=weights, source=names[0])
    rivals = ((names[1], "a + b"),)
    return replace(
        HOSTILE_RESULT,
        spec=replace(HOSTILE_RESULT.spec, name=names[0], formula=names[1], rivals=rivals),
        witnesses=(witness,),
    )


@pytest.mark.bad_input(95)
def test_hostile_names_are_text_wherever_they_stand() -> None:
    reader = read(render(hostile()))
    scripts = [a for a in reader.named("script") if a.get("type") != "application/json"]
    assert len(scripts) == 2
    assert not reader.named("img")
    assert all("onload" not in a and "onerror" not in a for _, a in reader.elements)
    assert "<img src=x onerror=alert(1)>" in " ".join(reader.words)


def test_says_which_extra_it_needs(tmp_path: Path) -> None:
    code = (
        "import sys, importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'vl_convert' else real(n, *a)\n"
        "sys.argv = ['lossaudit', 'check', 'x.csv', '-f', 'a = b', '--format', 'html']\n"
        "from lossaudit.cli.main import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert "pip install 'lossaudit[report]'" in ran.stderr


@in_browser
@pytest.mark.parametrize("name", ["pass", "fail-rival-formula"])
def test_scripts_draw_every_point_and_complain_of_nothing(name: str, tmp_path: Path) -> None:
    page = render(SAMPLES[name])
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    opened = open_page(tmp_path / "page.html", tmp_path / "profile")
    assert opened.complaints == []
    live = re.findall(r'<div class="live[^>]*>(.*?)<form class="controls"', opened.dom, re.DOTALL)
    assert live
    count = len(SAMPLES[name].witnesses[0].series["step"])
    points = re.findall(r'aria-roledescription="point"', live[0])
    assert len(points) == count
    assert opened.dom.count('<div class="still" hidden') == len(descriptions(page))


@in_browser
def test_without_scripts_the_drawings_stay(tmp_path: Path) -> None:
    page = re.sub(r"script-src [^;]*", "script-src 'none'", render(FAIL))
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    opened = open_page(tmp_path / "page.html", tmp_path / "profile")
    assert any("script-src 'none'" in complaint for complaint in opened.complaints)
    assert '<div class="still"><svg' in opened.dom
    assert '<div class="still" hidden' not in opened.dom


@in_browser
@pytest.mark.bad_input(95)
def test_hostile_names_run_nothing_in_a_browser(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(render(hostile()), encoding="utf-8")
    opened = open_page(tmp_path / "page.html", tmp_path / "profile")
    assert opened.complaints == []
    reader = Reader()
    reader.feed(opened.dom)
    assert not reader.named("img")
    assert len([a for a in reader.named("script") if a.get("type") != "application/json"]) == 2


def test_a_violation_without_series_needs_no_figure() -> None:
    bare = replace(PASSING, series={}, weights={})
    violations = FAIL.witnesses[0].first_violations
    assert isinstance(violations[0], Violation)
    page = render(replace(FAIL, witnesses=(replace(bare, first_violations=violations),)))
    assert "<figure" not in page
    assert "vegaEmbed" not in page
    assert "First violations" in page
