"""What is said of a log that refutes its formula holds on every row of it, and few rows prove less.

The logs are written with few digits, where a wrong explanation is easily within rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lossaudit.audit import check_logs
from lossaudit.model.finding import Finding
from lossaudit.model.result import Result
from lossaudit.model.table import Floats
from lossaudit.spec.load import spec_from_formula

Terms = dict[str, Floats]
WEIGHTS = {"a": 0.25, "b": 1.0, "c": 0.5}
FORMULA = "loss = 0.25*a + b + 0.5*c"


def drawn(seed: int, rows: int = 60) -> Terms:
    rng = np.random.default_rng(seed)
    return {name: rng.lognormal(0, 0.3, rows) * 10 ** rng.uniform(-1, 0.5) for name in WEIGHTS}


def weighted(terms: Terms, **weights: Floats | float) -> Floats:
    return np.asarray(sum(({**WEIGHTS, **weights})[n] * v for n, v in terms.items()))


def audit(
    folder: Path, terms: Terms, total: Floats, written: str, formula: str = FORMULA
) -> Result:
    """The log with every number written in a format such as ".3g", put to the formula."""
    log = folder / "log.jsonl"
    columns = {"loss": total, **terms}
    with log.open("w") as lines:
        for step in range(len(total)):
            numbers = (f'"{n}": {format(v[step], written)}' for n, v in columns.items())
            lines.write(f'{{"step": {step}, {", ".join(numbers)}}}\n')
    return check_logs(spec_from_formula(formula), [str(log)])


def error(result: Result) -> Finding:
    (found,) = (f for f in result.findings if f.severity.value == "error")
    return found


@pytest.mark.parametrize("written", [".3f", ".4f", ".3g", ".4g"])
@pytest.mark.parametrize("seed", range(12))
def test_one_edited_row_is_no_more_than_a_mismatch(tmp_path: Path, written: str, seed: int) -> None:
    terms = drawn(seed)
    total = weighted(terms)
    total[10 + 3 * seed] *= 1.05
    result = audit(tmp_path, terms, total, written)
    if result.verdict.value == "FAIL":  # three digits may hide it
        assert error(result).check == "formula-mismatch"
        assert error(result).evidence["formula"] == ""


WRONG: dict[str, Callable[[Terms], Floats]] = {
    "constant": lambda t: weighted(t) + 0.37,
    "small constant": lambda t: weighted(t) - 0.05,
    "factor": lambda t: 3 * weighted(t),
    "odd factor": lambda t: 1.037 * weighted(t),
    "one weight 1 % off": lambda t: weighted(t, b=1.01),
    "one weight 10 % off": lambda t: weighted(t, c=0.55),
    "changed": lambda t: weighted(t, b=np.where(np.arange(60) < 36, 1, 0.9)),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("written", [".2f", ".3f", ".4f", ".3g", ".4g", ".7g"])
@pytest.mark.parametrize("seed", range(3))
def test_formula_that_the_log_is_said_to_follow_is_refuted_by_no_row(
    tmp_path: Path, wrong: str, written: str, seed: int
) -> None:
    terms = drawn(seed)
    total = WRONG[wrong](terms)
    result = audit(tmp_path, terms, total, written)
    if result.verdict.value != "FAIL":
        return
    found = error(result)
    said = [found.evidence["formula"], *(e["formula"] for e in found.evidence.get("also", ()))]
    for formula in filter(None, said):
        (witness,) = audit(tmp_path, terms, total, written, f"loss = {formula}").witnesses
        assert (witness.violations, witness.decided) == (0, len(total)), formula


@pytest.mark.parametrize("written", [".3f", ".4f", ".4g", ".7g"])
@pytest.mark.parametrize(
    ("wrong", "check"),
    [("constant", "hidden-term"), ("factor", "scaled-log"), ("odd factor", "scaled-log")],
)
def test_constant_and_factor_are_named(
    tmp_path: Path, wrong: str, check: str, written: str
) -> None:
    terms = drawn(3)
    found = error(audit(tmp_path, terms, WRONG[wrong](terms), written))
    assert found.check == check
    assert found.evidence["refuted_rows"] >= 3


def test_factor_near_ln_2_is_told_with_its_interval_and_the_plain_factor(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    terms = {"a": rng.uniform(0.5, 3, 30), "b": rng.uniform(0.5, 3, 30)}
    total = 0.7 * (2 * terms["a"] + terms["b"])
    found = error(audit(tmp_path, terms, total, ".1f", "loss = 2*a + b"))
    assert found.check == "unit-change"
    assert "in nats (0.69" in found.message
    assert found.evidence["also"] == [{"check": "scaled-log", "formula": "0.7*(2*a + b)"}]
    assert found.evidence["low"] < np.log(2) < found.evidence["factor"] == 0.7


@pytest.mark.parametrize(("seed", "row"), [(160, 36), (172, 35), (268, 38), (328, 34)])
def test_weights_that_fit_a_few_rows_after_an_edited_one_have_not_changed(
    tmp_path: Path, seed: int, row: int
) -> None:
    terms = drawn(seed)
    total = weighted(terms)
    total[row] *= 1.02
    found = error(audit(tmp_path, terms, total, ".3g"))
    assert found.check == "formula-mismatch"
    assert found.evidence["refuted_rows"] == 1


@pytest.mark.parametrize("written", [".3f", ".4f", ".4g", ".7g"])
@pytest.mark.parametrize("odd", [1, 2, 3])
def test_few_odd_rows_are_no_change(tmp_path: Path, written: str, odd: int) -> None:
    terms = drawn(5)
    total = weighted(terms)
    total[30 : 30 + odd] *= 1.1
    assert error(audit(tmp_path, terms, total, written)).check == "formula-mismatch"


@pytest.mark.parametrize("written", [".3f", ".4f", ".4g", ".7g"])
@pytest.mark.parametrize("factor", [2.0, 1.25, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_change_lies_between_the_steps_that_are_said(
    tmp_path: Path, written: str, factor: float, seed: int
) -> None:
    terms, change = drawn(seed, 200), 40 + 30 * seed
    scale = np.where(np.arange(200) < change, 1, factor)
    found = error(audit(tmp_path, terms, weighted(terms, b=scale), written))
    assert found.check == "weight-changed"
    (said,) = found.evidence["changes"]
    assert (said["term"], said["before"]) == ("b", 1)
    assert said["last_before"] < change <= said["step"]
    assert said["step"] <= said["last_before"] + 12
    if written == ".7g":
        assert (said["last_before"], said["step"], said["after"]) == (change - 1, change, factor)


def test_rows_that_do_not_tell_where_the_weight_changes_are_said(tmp_path: Path) -> None:
    terms = drawn(1, 120)
    terms["b"][50:60] = 0
    scale = np.where(np.arange(120) < 55, 1, 2)
    found = error(audit(tmp_path, terms, weighted(terms, b=scale), ".4f"))
    said = "`b` has weight 1 up to step 49 and 2 from step 60 on (the rows between do not tell"
    assert said in found.message


@pytest.mark.parametrize("weights", [(2.0, 2.0), (2.0, 0.0), (2.2, 1.0), (1.0, 1.0), (1.0, 2.0)])
def test_tags_that_need_backquotes_have_them_once(
    tmp_path: Path, weights: tuple[float, float]
) -> None:
    a, b = np.random.default_rng(2).uniform(0.1, 1.0, (2, 60))
    rows = zip((weights[0] * a + weights[1] * b).tolist(), a.tolist(), b.tolist(), strict=True)
    path = tmp_path / "run.csv"
    path.write_text("train/loss,loss lip,lat-x\n" + "".join(f"{t},{x},{y}\n" for t, x, y in rows))
    spec = spec_from_formula("`train/loss` = 2*`loss lip` + `lat-x`")
    result = check_logs(spec, [str(path)])
    said = [result.reason, *(f.message for f in result.findings)]
    assert not [text for text in said if "``" in text]
    assert any("`loss lip`" in text or "`lat-x`" in text for text in said)
