"""On public logs the formula that is true of them is found, or nothing is claimed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lossaudit.audit import check_logs
from lossaudit.closure.identify.columns import Question
from lossaudit.identifying import identify_logs
from lossaudit.model.finding import Verdict
from lossaudit.spec.load import load_spec
from lossaudit.spec.write import write_spec

ROOT = Path(__file__).parent.parent.parent
LOGS = Path(os.environ.get("LOSSAUDIT_REAL_LOGS", ROOT.parent / "shared" / "real-logs"))

pytestmark = pytest.mark.skipif(not LOGS.is_dir(), reason="the real logs are not on this machine")

GAIL = "loss = `policy loss` + 0.5*`value loss` - 0.01*`entropy loss`"
MMSEG = "loss = `decode.loss_ce` + `aux.loss_ce`"
MMROTATE = "loss = loss_rpn_cls + loss_rpn_bbox + loss_cls + loss_bbox"
EVENTS = (
    "`train/loss` = `train/loss_rpn_cls` + `train/loss_rpn_bbox` + `train/loss_cls`"
    " + `train/loss_bbox`"
)
PINN = "train_loss_{0} = dynamics_loss_{0} + initial_omega_loss_{0} + initial_theta_loss_{0}"
DISCRIMINATOR = (
    "`discriminator loss total` = `discriminator loss agent` + `discriminator loss demo`"
)

ESTABLISHED = {
    "gailppo/progress.csv": GAIL,
    "gailppo/log.txt": GAIL,
    "mmseg-potato/None.log.json": MMSEG,
    "mmrotate-lsknet/None.log.json": MMROTATE,
    "mmrotate-lsknet": EVENTS,
    "pl-pinn-pendulum/metrics.csv": PINN.format("step"),
}

OF_A_NAMED_TOTAL = {
    "gailppo/progress.csv": ("discriminator loss total", DISCRIMINATOR),
    "pl-pinn-pendulum/metrics.csv": ("train_loss_epoch", PINN.format("epoch")),
}

LEFT_OPEN = {
    "yolox-plate/train_log.txt": "total_loss = iou_loss + l1_loss + conf_loss + cls_loss",
    "fastspeech2-prune/log.txt": "`Total Loss` = `Mel Loss` + `Mel PostNet Loss` + `Pitch Loss`"
    " + `Energy Loss` + `Duration Loss`",
    "d2-maskrcnn-smn/metrics.json": "",
}
"""One printed decimal, terms that move together, medians: the truth may be shown, not claimed."""


@pytest.mark.parametrize("name", ESTABLISHED)
def test_formula_of_a_real_log_is_found_and_passes_the_check(tmp_path: Path, name: str) -> None:
    result, spec = identify_logs(Question(), [str(LOGS / name)])
    found = result.witnesses[0].identification
    assert found is not None
    assert (result.verdict, found.formula) == (Verdict.PASS, ESTABLISHED[name]), result.reason
    assert spec is not None
    write_spec(spec, str(tmp_path / "spec.yaml"))
    checked = check_logs(load_spec(str(tmp_path / "spec.yaml")), [str(LOGS / name)])
    assert checked.verdict is Verdict.PASS


@pytest.mark.parametrize("name", OF_A_NAMED_TOTAL)
def test_formula_of_another_total_is_found(name: str) -> None:
    total, formula = OF_A_NAMED_TOTAL[name]
    result, _ = identify_logs(Question(total), [str(LOGS / name)])
    found = result.witnesses[0].identification
    assert found is not None
    assert (result.verdict, found.formula) == (Verdict.PASS, formula), result.reason


@pytest.mark.parametrize("name", LEFT_OPEN)
def test_what_a_real_log_cannot_tell_is_left_open(name: str) -> None:
    result, _ = identify_logs(Question(), [str(LOGS / name)])
    found = result.witnesses[0].identification
    assert found is not None
    assert (result.verdict, found.formula) == (Verdict.INCONCLUSIVE, LEFT_OPEN[name])


@pytest.mark.parametrize("part", ["train", "test"])
def test_seven_rows_of_many_terms_are_left_open(part: str) -> None:
    result, _ = identify_logs(Question(f"{part}_loss"), [str(LOGS / "detr-small/log.txt")])
    found = result.witnesses[0].identification
    assert found is not None
    assert result.verdict is Verdict.INCONCLUSIVE
    assert len(found.weights) == 18
    assert {w.weight for w in found.weights.values()} == {1.0}


def test_declared_medians_are_left_open() -> None:
    question = Question(aggregates={"total_loss": "median:20"})
    result, _ = identify_logs(question, [str(LOGS / "d2-maskrcnn-smn/metrics.json")])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "medians do not add up" in result.reason
