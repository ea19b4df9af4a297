"""A declaration that excuses anything earns no PASS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lossaudit.audit import check_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result
from lossaudit.spec.load import spec_from_formula
from lossaudit.spec.overrides import override

FORMULA = "loss = 2*a + b"

ABSURD = {
    "a sum of three million": (FORMULA, "sum:3000000", None),
    "a mean of ten million": (FORMULA, "mean:10000000", None),
    "an average over a million": (FORMULA, "ema:0.999999", None),
    "a mean of 50 in bfloat16": (FORMULA, "mean:50", "bfloat16"),
    "1,900 terms of weight 0": (FORMULA + " + 0*a" * 1900, None, None),
}
SOUND = {
    "no absurd one": (FORMULA, "mean:200", None),
    "45 terms of weight 0 in bfloat16": (FORMULA + " + 0*a" * 45, None, "bfloat16"),
    "1900 terms of weight 0 in bfloat16": (FORMULA + " + 0*a" * 1900, None, "bfloat16"),
}


def audited(folder: Path, declared: str, off: float) -> Result:
    formula, aggregate, dtype = (ABSURD | SOUND)[declared]
    rng = np.random.default_rng(3)
    a, b = rng.uniform(0.5, 1, (2, 200))
    rows = zip((2 * off * a + b).tolist(), a.tolist(), b.tolist(), strict=True)
    lines = [f"{i},{t:.5f},{x:.5f},{y:.5f}" for i, (t, x, y) in enumerate(rows)]
    path = folder / "log.csv"
    path.write_text("\n".join(["step,loss,a,b", *lines]) + "\n")
    aggregates = [f"total={aggregate}"] if aggregate else []
    return check_logs(override(spec_from_formula(formula), (), aggregates, dtype), [str(path)])


@pytest.mark.parametrize("off", [1.01, 1.1, 1.3])
@pytest.mark.parametrize("declared", ABSURD)
def test_an_absurd_declaration_passes_no_wrong_weight(
    tmp_path: Path, declared: str, off: float
) -> None:
    result = audited(tmp_path, declared, off)
    assert result.verdict is not Verdict.PASS, result.reason


@pytest.mark.parametrize("count", [45, 1900])
def test_terms_of_weight_zero_widen_nothing(tmp_path: Path, count: int) -> None:
    """Forty-five of them would excuse a fifth of the total in bfloat16; to add 0 rounds nothing."""
    declared = f"{count} terms of weight 0 in bfloat16"
    assert audited(tmp_path, declared, 1.1).verdict is Verdict.FAIL
    assert audited(tmp_path, declared, 1.0).verdict is Verdict.PASS


def test_what_accumulating_may_have_lost_is_the_reason(tmp_path: Path) -> None:
    reason = audited(tmp_path, "a sum of three million", 1.01).reason
    assert "accumulating so many values in this dtype may lose a twentieth of them" in reason


def test_a_mean_of_two_hundred_in_float32_still_passes(tmp_path: Path) -> None:
    assert audited(tmp_path, "no absurd one", 1.0).verdict is Verdict.PASS
