"""What the recorder had from autograd is compared with the spec: a detached term passes any log."""

from __future__ import annotations

import json
from pathlib import Path

from lossaudit.audit import audit
from lossaudit.concluding import AuditOptions
from lossaudit.model.finding import Finding, Verdict
from lossaudit.model.result import Result
from lossaudit.spec.load import spec_from_formula

FORMULA = "total = 0.5*recon + 3.0*ce"
SWAPPED = "swapped = 3.0*recon + 0.5*ce"
TERMS = [(0.25, 1.5), (0.5, 1.25), (0.125, 2.0), (0.75, 1.0)]
Weights = dict[str, float | None]


def result_of(tmp_path: Path, weights: Weights, declared: str = FORMULA) -> Result:
    """Audits a run as the recorder leaves it, whose total is right and whose weights are given."""
    record = tmp_path / "record"
    record.mkdir()
    terms, lines = list[str](), list[str]()
    for step, (recon, ce) in enumerate(TERMS):
        total = 0.5 * recon + 3.0 * ce
        terms.append(json.dumps({"step": step, "total": total, "recon": recon, "ce": ce}))
        lines.append(json.dumps({"step": step, **weights}))
    (record / "terms.jsonl").write_text("\n".join(terms) + "\n")
    (record / "weights.jsonl").write_text("\n".join(lines) + "\n")
    return audit(str(tmp_path), spec_from_formula(declared, [SWAPPED]), AuditOptions())


def said(result: Result) -> list[Finding]:
    return [f for f in result.findings if f.check == "effective-weight"]


def test_a_detached_term_is_said_although_every_row_agrees(tmp_path: Path) -> None:
    result = result_of(tmp_path, {"recon": None, "ce": 3.0})
    (found,) = said(result)
    assert "`recon` on 4 of 4 recorded steps" in found.message
    assert (result.verdict, result.exit_code) == (Verdict.PASS, 0)


def test_another_weight_than_the_declared_is_an_error(tmp_path: Path) -> None:
    result = result_of(tmp_path, {"recon": 0.05, "ce": 3.0})
    (found,) = said(result)
    assert "weighs `recon` with 0.05 on 4 of 4" in found.message
    assert result.exit_code == 1


def test_the_declared_weights_are_silent_and_no_log_is_missed(tmp_path: Path) -> None:
    result = result_of(tmp_path, {"recon": 0.5, "ce": 3.0})
    assert said(result) == []
    assert not [s for s in result.skipped if s[0] == "log"]


def test_other_weights_are_no_news_where_the_log_fails(tmp_path: Path) -> None:
    result = result_of(tmp_path, {"recon": 0.5, "ce": None}, "total = 0.5*recon + ce")
    assert result.verdict is Verdict.FAIL
    assert [f.severity.value for f in said(result)] == ["warning"]


def damaged(tmp_path: Path, text: str) -> Result:
    """The run with something else in place of a line of its weights."""
    result_of(tmp_path, {"recon": 0.5, "ce": 3.0})
    path = tmp_path / "record" / "weights.jsonl"
    lines = path.read_text().splitlines()
    lines[1] = text
    path.write_text("\n".join(lines) + "\n")
    return audit(str(tmp_path), spec_from_formula(FORMULA, [SWAPPED]), AuditOptions())


def test_damage_in_the_weights_is_reported_and_gives_exit_code_4(tmp_path: Path) -> None:
    result = damaged(tmp_path, '{"step": 1, "recon": 0.')
    assert (result.verdict, result.exit_code) == (Verdict.PASS, 4)
    (found,) = [f for f in result.findings if f.check == "damaged-input"]
    assert found.location is not None
    assert found.location.path.endswith("weights.jsonl")
    assert found.location.line == 2
    assert found.witness.endswith("weights.jsonl")


def test_weights_that_were_read_are_an_input_of_the_result(tmp_path: Path) -> None:
    result = result_of(tmp_path, {"recon": 0.5, "ce": 3.0})
    named = {Path(i.path).name: i.sha256 for i in result.further_inputs}
    assert len(named["weights.jsonl"]) == 64
