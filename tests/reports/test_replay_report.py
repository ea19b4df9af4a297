"""Replayed steps in reports: every step with its totals and terms, on narrow and wide pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from replay_samples import AUDITED, MANY, SAMPLES
from samples import PASS

from lossaudit import registry
from lossaudit.model.decoding import decode_result
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result
from lossaudit.rendering.replay_grids import MOST_REPLAYS, shown_replays
from lossaudit.rendering.surroundings_grid import MOST_ROWS, surroundings_grid

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
    assert again.get("training") == document.get("training")


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


def test_what_training_says_stands_beside_what_the_replay_was_computed_with() -> None:
    grid = surroundings_grid(AUDITED)
    assert grid is not None
    rows = {row[0].text: tuple(cell.text for cell in row[1:]) for row in grid.rows}
    assert rows["torch"] == ("2.13.0+cu130", "2.1.2+cu121")
    assert rows["cuDNN deterministic"] == ("on", "off")
    assert rows["forward pass"] == ("float32, autocast to float16 (2 steps)", "-")
    assert rows["torch's seed"] == ("-", "42 / 41")


def test_a_log_audit_has_no_such_table_unless_the_run_says_something() -> None:
    assert surroundings_grid(PASS) is None
    grid = surroundings_grid(replace(PASS, training={"torch": "2.1"}))
    assert grid is not None
    assert [h.name for h in grid.headings] == ["", "its training, as the run says"]


def test_a_run_that_says_too_much_is_cut() -> None:
    grid = surroundings_grid(replace(PASS, training={f"k{k}": "" for k in range(500)}))
    assert grid is not None
    assert (len(grid.rows), grid.note) == (MOST_ROWS, f"and {500 - MOST_ROWS} more")


def test_the_terminal_has_it_in_a_sentence_each_and_the_table_where_it_is_verbose() -> None:
    brief = " ".join(REPORTS["full"].render(AUDITED, Page(80)).split())
    assert "drawn with seeds 0 to 7 (2 steps)" in brief
    assert "training, as the run says torch 2.1.2+cu121, cuda:0, Tesla V100-SXM2-32GB" in brief
    assert "CUBLAS_WORKSPACE_CONFIG" not in brief
    whole = REPORTS["full"].render(AUDITED, Page(80, verbose=True))
    assert "CUBLAS_WORKSPACE_CONFIG" in whole
    assert max(map(len, whole.splitlines())) <= 80
