"""Replayed steps in reports: every step with its totals and terms, on narrow and wide pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from replay_samples import AUDITED, MANY, SAMPLES

from lossaudit import registry
from lossaudit.model.decoding import decode_result
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result
from lossaudit.rendering.replay_grids import MOST_REPLAYS, shown_replays

ROOT = Path(__file__).parent.parent.parent
SCHEMA = json.loads((ROOT / "docs/schema/result.schema.json").read_text(encoding="utf-8"))
REPORTS = registry.load("lossaudit.reports", Report)
RESULTS = pytest.mark.parametrize("result", SAMPLES.values(), ids=SAMPLES)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SAMPLES)
def test_full_report_looks_as_expected(
    name: str, width: int, golden: Callable[[str | Path, str], None]
) -> None:
    text = REPORTS["full"].render(SAMPLES[name], Page(width))
    assert max(map(len, text.splitlines())) <= width
    golden(f"reports/full/{name}-{width}.expected", text)


@RESULTS
def test_every_report_renders_replays_without_control_characters(result: Result) -> None:
    for report in REPORTS.values():
        text = report.render(result, Page())
        assert text.endswith("\n")
        assert "\x1b" not in text
        assert "\x07" not in text


@RESULTS
def test_result_follows_the_schema_and_reads_back(result: Result) -> None:
    document = json.loads(REPORTS["json"].render(result, Page()))
    Draft202012Validator(SCHEMA).validate(document)
    again = decode_result(document).to_dict()
    assert again["witnesses"] == document["witnesses"]


def test_agreement_comes_before_the_steps() -> None:
    text = REPORTS["full"].render(AUDITED, Page(120))
    assert text.index("Agreement") < text.index("Recomputed totals")


def test_of_many_steps_those_that_differ_are_shown() -> None:
    shown = shown_replays(SAMPLES["replay-many"].witnesses[0])
    assert len(shown) == MOST_REPLAYS
    off = [r.step for r in MANY if r.agrees is False]
    assert [r.step for r in shown if r.agrees is False] == off[:MOST_REPLAYS]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["depth"], "deep"),
        (["step"], "1"),
        (["total"], 1.0),
        (["files"], [{"path": "x"}]),
        (["terms"], {"a": {"value": 1.0}}),
    ],
)
def test_replays_of_another_layout_are_refused(path: list[str], value: object) -> None:
    document = json.loads(REPORTS["json"].render(AUDITED, Page()))
    document["witnesses"][1]["replays"][0][path[0]] = value
    with pytest.raises(ValueError, match="replays"):
        decode_result(document)
