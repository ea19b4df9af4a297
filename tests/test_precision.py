"""MuseTalk's formula against the figure's, on logs written in every common way.

Each log is a simulated run: terms in the training dtype, the total formed in it, both written as
the way says. The right verdict or an honest INCONCLUSIVE is allowed; a wrong one never.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from lossaudit.audit import check_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import ExitCode, Result
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.load import spec_from_formula

CODE = "loss = 2.0*loss_lip + loss_latents"
FIGURE = "diagram=loss_lip + 2.0*loss_latents"
ROWS = 400

Way = Callable[[float], str]

WAYS: dict[str, Way] = {
    "full": repr,
    "3 digits": lambda v: f"{v:.3g}",
    "4 digits": lambda v: f"{v:.4g}",
    "float32 text": lambda v: str(np.float32(v)),
    **{f"{d} decimals": lambda v, d=d: f"{v:.{d}f}" for d in range(7)},  # type: ignore[misc]
}
SCALES = {"1e-7": 1e-7, "1": 1.0, "1e6": 1e6}


def run(dtype: str, scale: float, weights: tuple[float, float], seed: int = 7) -> np.ndarray:
    """Columns loss, loss_lip, loss_latents of a run, shape (3, ROWS), numbers of the dtype."""
    form, rng = FORMATS[dtype], np.random.default_rng(seed)
    decay = np.exp(-np.arange(ROWS) / 150) * scale
    lip = form.nearest(decay * (0.3 + 0.1 * rng.random(ROWS)))
    latents = form.nearest(decay * (0.6 + 0.2 * rng.random(ROWS)))
    total = form.nearest(form.nearest(weights[0] * lip) + form.nearest(weights[1] * latents))
    return np.array([total, lip, latents])


def write(path: Path, columns: np.ndarray, way: Way) -> str:
    """A CSV, since its text keeps every digit that the way printed."""
    rows = [f"{i},{','.join(way(float(v)) for v in row)}" for i, row in enumerate(columns.T)]
    path.write_text("\n".join(["step,loss,loss_lip,loss_latents", *rows]) + "\n")
    return str(path)


def audited(log: str, formula: str = CODE, rival: str = FIGURE) -> Result:
    return check_logs(spec_from_formula(formula, [rival]), [log])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("way", WAYS)
def test_right_run_is_never_failed(tmp_path: Path, way: str, dtype: str, scale: str) -> None:
    if dtype == "float16" and scale != "1":
        scale = "1"  # 1e-7 and 1e6 are no numbers of float16
    log = write(tmp_path / "log.csv", run(dtype, SCALES[scale], (2.0, 1.0)), WAYS[way])
    result = audited(log)
    assert result.verdict is not Verdict.FAIL, result.reason
    readable = way in ("full", "float32 text", "4 digits", "3 digits") or (
        scale != "1e-7" and way not in ("0 decimals", "1 decimals")
    )
    if readable:
        assert result.verdict is Verdict.PASS, result.reason
    else:
        assert result.reason


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("way", WAYS)
def test_figures_run_is_never_passed(tmp_path: Path, way: str, dtype: str, scale: str) -> None:
    log = write(tmp_path / "log.csv", run(dtype, SCALES[scale], (1.0, 2.0)), WAYS[way])
    result = audited(log)
    assert result.verdict is not Verdict.PASS, result.reason
    if way in ("full", "float32 text", "4 digits", "3 digits"):
        assert result.verdict is Verdict.FAIL, result.reason
        assert {f.check for f in result.findings if f.severity.value == "error"} == {
            "rival-formula"
        }


def test_equal_losses_cannot_tell_the_formula_from_the_figure(tmp_path: Path) -> None:
    columns = run("float32", 1.0, (2.0, 1.0))
    columns[2] = columns[1]
    columns[0] = FORMATS["float32"].nearest(3 * columns[1])
    result = audited(write(tmp_path / "log.csv", columns, repr))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.exit_code is ExitCode.INCONCLUSIVE
    assert "rival `diagram` fits them as well" in result.reason


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("row", [0, 250, 399])
def test_one_wrong_row_in_400_fails_with_its_step_and_line(
    tmp_path: Path, row: int, form: str
) -> None:
    columns = run("float32", 1.0, (2.0, 1.0))
    columns[0, row] = FORMATS["float32"].nearest(columns[0, row] * 1.001)
    log = tmp_path / f"log.{form}"
    if form == "csv":
        write(log, columns, repr)
    else:
        tags = ("loss", "loss_lip", "loss_latents")
        records = [
            {"step": i, **dict(zip(tags, map(float, values), strict=True))}
            for i, values in enumerate(columns.T)
        ]
        log.write_text("".join(json.dumps(r) + "\n" for r in records))
    result = audited(str(log))
    assert result.verdict is Verdict.FAIL
    assert result.exit_code is ExitCode.FINDING
    violation = result.witnesses[0].first_violations[0]
    assert (result.witnesses[0].violations, violation.step) == (1, row)
    assert violation.location.line == row + (2 if form == "csv" else 1)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("log.csv", "step,loss\n0,1.5\n1,1.4\n", "the log holds the total but not every term"),
        ("log.csv", "", "no number was found in the log"),
        ("log.csv", "step,loss,loss_lip,loss_latents\n", "no number was found in the log"),
        ("log.csv", "step,a,b\n0,1.5,2\n1,1.4,2\n", "no column holds the total"),
        ("log.jsonl", '{"step": 0, "Loss": 1.5}\n', "no column holds the total"),
        ("log.jsonl", "{}\n", "no number was found in the log"),
    ],
)
def test_nothing_to_decide_is_inconclusive(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    (tmp_path / name).write_text(content)
    result = audited(str(tmp_path / name))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.exit_code is ExitCode.INCONCLUSIVE
    assert result.reason.startswith(reason)


def test_all_rows_not_finite_earn_nothing(tmp_path: Path) -> None:
    columns = np.full((3, 20), np.nan)
    result = audited(write(tmp_path / "log.csv", columns, repr))
    assert result.verdict is Verdict.INCONCLUSIVE


def test_masked_nan_fails_and_is_named(tmp_path: Path) -> None:
    columns = run("float32", 1.0, (2.0, 1.0))
    columns[2, 120] = np.nan
    result = audited(write(tmp_path / "log.csv", columns, repr))
    assert result.verdict is Verdict.FAIL
    assert [f.check for f in result.findings if f.severity.value == "error"] == ["masked-nonfinite"]
    assert result.findings[0].steps == (120, 120)


def one_in_digits(path: Path, weight: float) -> str:
    """Four decimals everywhere: a and b have five digits, c has two; a's weight is 2 * weight."""
    rng = np.random.default_rng(0)
    a, b, c = rng.uniform(1, 9, ROWS), rng.uniform(1, 9, ROWS), rng.uniform(0.001, 0.009, ROWS)
    columns = np.array([2 * weight * a + b + c, a, b, c])
    rows = [
        f'{{"step": {i}, "loss": {t:.4f}, "a": {x:.4f}, "b": {y:.4f}, "c": {z:.4f}}}'
        for i, (t, x, y, z) in enumerate(columns.T)
    ]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


@pytest.mark.parametrize("weight", [1.001, 1.01, 1.05])
def test_a_small_term_of_few_digits_says_nothing_of_the_sums_dtype(
    tmp_path: Path, weight: float
) -> None:
    formula = spec_from_formula("loss = 2*a + b + c")
    right = check_logs(formula, [one_in_digits(tmp_path / "right.jsonl", 1.0)])
    wrong = check_logs(formula, [one_in_digits(tmp_path / "wrong.jsonl", weight)])
    assert (right.verdict, wrong.verdict) == (Verdict.PASS, Verdict.FAIL)


def halves(path: Path, total: Callable[..., np.ndarray]) -> str:
    """Terms a and b of bfloat16, c of float32, and a total of float32."""
    rng, single = np.random.default_rng(3), FORMATS["float32"].nearest
    a = FORMATS["bfloat16"].nearest(rng.uniform(1, 2, ROWS))
    b = FORMATS["bfloat16"].nearest(rng.uniform(0.1, 0.3, ROWS))
    c = single(rng.uniform(0.5, 1.5, ROWS))
    rows = zip(single(total(a, b, c)).tolist(), a.tolist(), b.tolist(), c.tolist(), strict=True)
    lines = [",".join(map(repr, (i, *row))) for i, row in enumerate(rows)]
    path.write_text("\n".join(["step,loss,a,b,c", *lines]) + "\n")
    return str(path)


@pytest.mark.parametrize("weight", [1.006, 1.01, 1.02, 1.05])
def test_a_total_off_the_grid_of_its_terms_was_not_formed_in_their_dtype(
    tmp_path: Path, weight: float
) -> None:
    right = halves(tmp_path / "right.csv", lambda a, b, c: a + b)
    wrong = halves(tmp_path / "wrong.csv", lambda a, b, c: weight * a + b)
    spec = spec_from_formula("loss = a + b")
    assert check_logs(spec, [right]).verdict is Verdict.PASS
    result = check_logs(spec, [wrong])
    assert result.verdict is (Verdict.FAIL if weight > 1.015 else Verdict.INCONCLUSIVE)
    if weight < 1.015:
        assert "only if parts of the sum were formed in bfloat16" in result.reason


def test_products_in_bfloat16_close_and_their_sums_are_never_refuted(tmp_path: Path) -> None:
    half = FORMATS["bfloat16"].nearest
    products = halves(tmp_path / "products.csv", lambda a, b, c: half(1.5 * a) + half(0.3 * b) + c)
    sums = halves(tmp_path / "sums.csv", lambda a, b, c: half(half(1.5 * a) + half(0.3 * b)) + c)
    spec = spec_from_formula("loss = 1.5*a + 0.3*b + c")
    assert check_logs(spec, [products]).verdict is Verdict.PASS
    result = check_logs(spec, [sums])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "`a` was multiplied or added to others in bfloat16" in result.reason
    declared = replace(spec, dtype="bfloat16")
    assert check_logs(declared, [sums]).verdict is Verdict.PASS
