"""Every preset loads, cites its source, and gives each of its fixtures the expected verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossaudit.audit import check_logs
from lossaudit.model.finding import Verdict
from lossaudit.spec.load import load_spec, preset_names
from lossaudit.spec.tree import RESERVED, families, names

FOLDER = Path(__file__).parent.parent / "fixtures" / "presets"
CASES = sorted(p.parent for p in FOLDER.glob("*/*/expect.txt"))

REQUIRED = {
    "detectron2",
    "detr",
    "fastspeech2",
    "mmdetection",
    "musetalk-v1",
    "musetalk-v1.5-stage1",
    "musetalk-v1.5-stage2",
    "ppo-baselines",
    "ppo-sb3",
    "torchvision-detection",
    "vae",
    "vits",
    "vqgan",
    "yolov5",
    "yolox",
}


def test_every_promised_preset_is_there() -> None:
    assert set(preset_names()) >= REQUIRED


@pytest.mark.parametrize("name", preset_names())
def test_preset_cites_sources_and_says_what_it_is(name: str) -> None:
    spec = load_spec(name)
    assert spec.sources
    assert spec.summary
    assert spec.total


@pytest.mark.parametrize("name", preset_names())
def test_preset_defines_its_terms_or_is_a_family(name: str) -> None:
    spec = load_spec(name)
    terms = names(spec.formula) - RESERVED - set(spec.parameters)
    assert terms <= set(spec.tags)
    assert terms or families(spec.formula)


@pytest.mark.parametrize("name", preset_names())
def test_preset_has_fixtures_for_what_it_can_say(name: str) -> None:
    kinds = {c.name.split("-")[0] for c in CASES if c.parent.name == name}
    assert kinds >= {"pass", "fail"} or kinds == {"inconclusive"}


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.parent.name}/{c.name}")
def test_fixture_gets_the_expected_verdict(case: Path) -> None:
    verdict, _, check = case.joinpath("expect.txt").read_text().strip().partition(" ")
    log = next(p for p in case.iterdir() if p.name != "expect.txt")
    result = check_logs(load_spec(case.parent.name), [str(log)])
    assert result.verdict == Verdict(verdict), result.reason
    errors = {f.check for f in result.findings if f.severity.value == "error"}
    assert errors == ({check} if verdict == "FAIL" else set())
