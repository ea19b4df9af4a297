"""Every row of the real logs' own table gets the verdict that its last column asks for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec import Struct

from lossaudit.audit import check_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result
from lossaudit.spec.load import load_spec, spec_from_formula
from lossaudit.spec.overrides import override

ROOT = Path(__file__).parent.parent
LOGS = Path(os.environ.get("LOSSAUDIT_REAL_LOGS", ROOT.parent / "shared" / "real-logs"))

pytestmark = pytest.mark.skipif(not LOGS.is_dir(), reason="the real logs are not on this machine")

PINN = "train_loss_{0} = dynamics_loss_{0} + initial_omega_loss_{0} + initial_theta_loss_{0}"
DETR_RAW = (
    "{0}_loss = sum(`{0}_loss_ce*_unscaled`) + 5*sum(`{0}_loss_bbox*_unscaled`)"
    " + 2*sum(`{0}_loss_giou*_unscaled`)"
)
DETR_SCALED = "{0}_loss = sum(`{0}_loss_*`, `!*_unscaled`)"
GAIL = "`discriminator loss total` = `discriminator loss agent` + `discriminator loss demo`"
D2 = "total_loss = loss_cls + loss_box_reg + loss_rpn_cls + loss_rpn_loc + loss_mask"
YOLOX_TWICE = "total_loss = 5.0*iou_loss + l1_loss + conf_loss + cls_loss"


class Case(Struct, frozen=True, dict=True):
    log: str
    verdict: str
    rows: int
    preset: str = ""
    formula: str = ""
    aggregates: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()


CASES = {
    "pinn step": Case("pl-pinn-pendulum/metrics.csv", "PASS", 6400, formula=PINN.format("step")),
    "pinn epoch": Case(
        "pl-pinn-pendulum/metrics.csv",
        "PASS",
        10_000,
        formula=PINN.format("epoch"),
        aggregates=("train_loss_epoch=mean:32",),
    ),
    "pinn epoch, aggregate by its name": Case(
        "pl-pinn-pendulum/metrics.csv", "PASS", 10_000, formula=PINN.format("epoch")
    ),
    "mmseg": Case("mmseg-potato/None.log.json", "PASS", 4000, "mmdetection"),
    "mmseg by formula": Case(
        "mmseg-potato/None.log.json",
        "PASS",
        4000,
        formula="loss = `decode.loss_ce` + `aux.loss_ce`",
        aggregates=("loss=mean:10",),
    ),
    "mmrotate json": Case("mmrotate-lsknet/None.log.json", "PASS", 360, "mmdetection"),
    "mmrotate events": Case("mmrotate-lsknet", "PASS", 360, "mmdetection"),
    "yolox": Case("yolox-plate/train_log.txt", "PASS", 1240, "yolox"),
    "yolox with 5.0*iou_loss": Case("yolox-plate/train_log.txt", "FAIL", 1240, formula=YOLOX_TWICE),
    "detr train": Case("detr-small/log.txt", "PASS", 7, "detr"),
    **{
        f"detr {part}, {name}": Case(
            "detr-small/log.txt",
            "PASS",
            7,
            formula=text.format(part),
            aggregates=(f"{part}_loss=mean",),
        )
        for part in ("train", "test")
        for name, text in (("scaled", DETR_SCALED), ("unscaled", DETR_RAW))
    },
    "fastspeech2": Case("fastspeech2-prune/log.txt", "PASS", 5000, "fastspeech2"),
    "gail csv": Case("gailppo/progress.csv", "PASS", 100, "ppo-baselines"),
    "gail table": Case("gailppo/log.txt", "PASS", 100, "ppo-baselines"),
    "gail discriminator csv": Case("gailppo/progress.csv", "PASS", 100, formula=GAIL),
    "gail discriminator table": Case("gailppo/log.txt", "PASS", 100, formula=GAIL),
    "detectron2 json": Case("d2-maskrcnn-smn/metrics.json", "INCONCLUSIVE", 0, "detectron2"),
    "detectron2 events": Case("d2-maskrcnn-smn", "INCONCLUSIVE", 0, "detectron2"),
    "detectron2 by formula": Case(
        "d2-maskrcnn-smn/metrics.json",
        "INCONCLUSIVE",
        0,
        formula=D2,
        aggregates=("total_loss=median:20",),
    ),
}


def audited(case: Case) -> Result:
    spec = load_spec(case.preset) if case.preset else spec_from_formula(case.formula, case.rivals)
    spec = override(spec, aggregates=case.aggregates)
    return check_logs(spec, [str(LOGS / case.log)])


@pytest.mark.parametrize("name", CASES)
def test_real_log_gets_the_verdict_that_it_deserves(name: str) -> None:
    case = CASES[name]
    result = audited(case)
    assert result.verdict == Verdict(case.verdict), result.reason
    assert result.witnesses[0].decided == case.rows
    if case.verdict != "FAIL":
        assert not [f for f in result.findings if f.severity.value == "error"]


def test_yolox_with_the_weight_twice_is_named_and_its_survivor_is_said() -> None:
    failed = audited(CASES["yolox with 5.0*iou_loss"])
    assert [f.check for f in failed.findings if f.severity.value == "error"] == ["weighted-or-raw"]
    plain = Case("yolox-plate/train_log.txt", "PASS", 1240, formula=YOLOX_TWICE.replace("5.0*", ""))
    assert audited(plain).verdict is Verdict.PASS


def test_fastspeech2_says_that_two_terms_can_hardly_be_told() -> None:
    note = audited(CASES["fastspeech2"]).witnesses[0].weights_note
    assert "`mel_loss` and `postnet_loss` move together" in note


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.verdict == "PASS"])
def test_certified_weights_hold_the_declared_ones(name: str) -> None:
    for weight in audited(CASES[name]).witnesses[0].weights.values():
        assert weight.low is not None
        assert weight.high is not None
        assert weight.low <= weight.declared <= weight.high


def test_real_log_with_one_row_changed_fails_at_that_row(tmp_path: Path) -> None:
    lines = (LOGS / "gailppo/progress.csv").read_text().splitlines()
    cells = lines[42].split(",")
    cells[8] = repr(float(cells[8]) * 1.001)
    lines[42] = ",".join(cells)
    (tmp_path / "progress.csv").write_text("\n".join(lines) + "\n")
    result = check_logs(load_spec("ppo-baselines"), [str(tmp_path / "progress.csv")])
    assert result.verdict is Verdict.FAIL
    assert result.witnesses[0].violations == 1
    assert result.witnesses[0].first_violations[0].location.line == 43
