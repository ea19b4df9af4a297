"""A term of few round values may be exact: no PASS rests on its having been rounded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lossaudit.audit import check_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result
from lossaudit.model.table import Floats
from lossaudit.spec.load import spec_from_formula

FORMULA = "loss = a + 8.22*w"


def audited(path: Path, total: Floats, a: Floats, w: Floats, digits: int = 6) -> Result:
    columns = {"loss": total.round(digits), "a": a.round(digits), "w": w}
    rows = zip(*(c.tolist() for c in columns.values()), strict=True)
    path.write_text("".join(json.dumps(dict(zip(columns, r, strict=True))) + "\n" for r in rows))
    return check_logs(spec_from_formula(FORMULA), [str(path)])


def terms(rows: int, seed: int = 3) -> tuple[Floats, Floats]:
    """A noisy term, and a weight that grows from 0 to 1 in steps of a tenth."""
    a = np.random.default_rng(seed).uniform(0.5, 1.5, rows)
    return a, np.round(np.linspace(0.0, 1.0, rows), 1)


@pytest.mark.parametrize("rows", [1, 3, 30])
def test_an_exact_weight_that_grows_passes(tmp_path: Path, rows: int) -> None:
    a, w = terms(rows)
    assert audited(tmp_path / "run.jsonl", a + 8.22 * w, a, w).verdict is Verdict.PASS


@pytest.mark.parametrize("rows", [1, 3, 30])
def test_one_wrong_total_is_not_excused_by_a_tenth_of_such_a_weight(
    tmp_path: Path, rows: int
) -> None:
    a, w = terms(rows)
    total = a + 8.22 * w
    total[rows // 2] += 0.3
    result = audited(tmp_path / "run.jsonl", total, a, w)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert f"1 of {rows} decided rows close only if `w` was rounded to " in result.reason


def test_a_wrong_weight_lies_on_one_side_and_is_no_rounding(tmp_path: Path) -> None:
    a, w = terms(200)
    result = audited(tmp_path / "run.jsonl", a * 1.1 + 8.22 * w, a, w)
    assert result.verdict is Verdict.INCONCLUSIVE, result.reason


def test_a_term_that_was_rounded_to_a_decimal_still_passes(tmp_path: Path) -> None:
    """Residuals on both sides, on many rows, are those of rounding."""
    rng = np.random.default_rng(5)
    a, w = rng.uniform(3.0, 5.0, 75), rng.uniform(0.0, 1.0, 75)
    assert audited(tmp_path / "run.jsonl", a + 8.22 * w, a, w.round(1)).verdict is Verdict.PASS


def test_numbers_of_two_decimals_without_a_common_divisor_were_rounded(tmp_path: Path) -> None:
    """Ten rows: too few for residuals to show it, but nobody chooses such numbers."""
    rng = np.random.default_rng(6)
    a, w = rng.uniform(0.5, 1.5, 10), rng.uniform(0.3, 1.0, 10)
    assert audited(tmp_path / "run.jsonl", a + 8.22 * w, a, w.round(2)).verdict is Verdict.PASS
