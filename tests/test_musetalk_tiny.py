"""The fixture's real trainings get the verdict they deserve, in all the formats they wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossaudit.audit import check_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import ExitCode
from lossaudit.spec.load import load_spec

RUNS = Path(__file__).parent.parent / "fixtures" / "musetalk-tiny" / "runs"
FORMATS = ("log.jsonl", "log.csv", "log.txt", "events")

EXPECTED = {
    "main": ("PASS", set()),
    "figure": ("FAIL", {"rival-formula"}),
    "weight-change": ("FAIL", {"weight-changed"}),
    "resumed": ("PASS", {"duplicate-steps"}),
    "accumulation": ("PASS", {"duplicate-steps"}),
    "bf16": ("PASS", {"value-lattice"}),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("run", EXPECTED)
def test_run_gets_its_verdict_in_every_format(run: str, form: str) -> None:
    verdict, checks = EXPECTED[run]
    result = check_logs(load_spec("musetalk-v1"), [str(RUNS / run / form)])
    assert result.verdict == Verdict(verdict), result.reason
    found = {f.check for f in result.findings}
    # tqdm redraws its bar, and prints three digits, which do not add up as they stand; those of
    # bfloat16 numbers need no printing for that
    of_text = {"duplicate-steps", "display-rounding"} if form == "log.txt" else set()
    assert found - of_text == checks - of_text
    if form == "log.txt" and verdict == "PASS":
        assert of_text - found == ({"display-rounding"} if "value-lattice" in checks else set())


@pytest.mark.parametrize("form", ["log.jsonl", "log.csv", "events"])
def test_changed_weight_is_found_at_its_step_and_certified_before_it(form: str) -> None:
    result = check_logs(load_spec("musetalk-v1"), [str(RUNS / "weight-change" / form)])
    witness = result.witnesses[0]
    assert witness.first_violations[0].step == 91
    assert witness.violations == 70
    assert "steps 1 to 90" in witness.weights_note
    low, high = witness.weights["loss_lip"].low, witness.weights["loss_lip"].high
    assert low is not None
    assert high is not None
    assert 1.9999 < low <= 2.0 <= high < 2.0001


def test_total_alone_is_inconclusive_and_says_what_to_do() -> None:
    result = check_logs(load_spec("musetalk-v1"), [str(RUNS / "main" / "events-total-only")])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.exit_code is ExitCode.INCONCLUSIVE
    assert "logs loss/step_loss only" in result.reason
    assert (result.witnesses[0].rows, result.witnesses[0].decided) == (400, 0)


def test_figure_run_certifies_the_figures_weights() -> None:
    result = check_logs(load_spec("musetalk-v1"), [str(RUNS / "figure" / "log.jsonl")])
    lip, latents = (result.witnesses[0].weights[n] for n in ("loss_lip", "loss_latents"))
    assert lip.low is not None
    assert lip.high is not None
    assert latents.low is not None
    assert latents.high is not None
    assert lip.low <= 1.0 <= lip.high < 1.001
    assert 1.999 < latents.low <= 2.0 <= latents.high


def test_several_logs_are_witnesses_of_one_verdict() -> None:
    logs = [str(RUNS / run / "log.jsonl") for run in ("main", "figure")]
    result = check_logs(load_spec("musetalk-v1"), logs)
    assert result.verdict is Verdict.FAIL
    assert [w.verdict for w in result.witnesses] == [Verdict.PASS, Verdict.FAIL]
