"""From a table to a verdict: what is decided, what is not, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from lossaudit.closure.binding import bind
from lossaudit.closure.blocks import Preparation
from lossaudit.closure.examine import examine
from lossaudit.closure.fold import Closure
from lossaudit.closure.keys import find_keys
from lossaudit.closure.rows import Join
from lossaudit.closure.verdict import judge
from lossaudit.model.finding import Verdict
from lossaudit.model.log import Log
from lossaudit.model.table import Column, Floats, Storage, Table
from lossaudit.spec.load import spec_from_formula
from lossaudit.spec.overrides import override

ROWS = 200


def table(storage: Storage = "float64", **columns: Floats) -> Log:
    found = {
        t: Column(t, np.asarray(v, float), np.arange(len(v)), storage) for t, v in columns.items()
    }
    rows = max(len(v) for v in columns.values())
    return Log.of(Table("log", found, np.arange(1, rows + 1)))


def float32(values: Floats) -> Floats:
    return values.astype(np.float32).astype(np.float64)


def terms(seed: int = 0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return float32(rng.uniform(0.2, 1, ROWS)), float32(rng.uniform(0.2, 1, ROWS))


A, B = terms()
STEP = np.arange(ROWS, dtype=float)
GATED = float32(A + np.where(STEP < 100, 0, B))


def verdict(formula: str, log: Log, *aggregates: str, **options: str) -> tuple[Verdict, str]:
    spec = override(spec_from_formula(formula), aggregates=aggregates, **options)
    return judge(examine(spec, log))


def test_schedule_follows_the_step() -> None:
    formula = "loss = a + where(step < 100, 0, 1)*b"
    assert verdict(formula, table(step=STEP, loss=GATED, a=A, b=B))[0] is Verdict.PASS
    late = verdict(formula.replace("100", "101"), table(step=STEP, loss=GATED, a=A, b=B))
    assert late == (Verdict.FAIL, "1 of 200 decided rows refute the formula, from step 100")


def test_schedule_without_a_step_is_not_decided() -> None:
    found = verdict("loss = a + where(step < 100, 0, 1)*b", table(loss=GATED, a=A, b=B))
    assert found[0] is Verdict.INCONCLUSIVE
    assert found[1].startswith("the formula uses `step`, but the log has none")


@pytest.mark.parametrize("tag", ["epoch", "iter"])
def test_schedule_on_what_is_no_step_of_the_run_is_not_decided(tag: str) -> None:
    counted = {"epoch": STEP // 50} | ({"iter": STEP % 50} if tag == "iter" else {})
    log = table(loss=GATED, a=A, b=B, **counted)
    found, reason = verdict("loss = a + where(step < 100, 0, 1)*b", log)
    assert found is Verdict.INCONCLUSIVE
    assert "which is no step of the whole run" in reason


def test_schedule_that_changes_inside_a_window_leaves_that_row_open() -> None:
    step = np.arange(9, 10 * ROWS, 10, dtype=float)
    total = float32(A + np.where(step < 1005, 0, B))
    spec = override(
        spec_from_formula("loss = a + where(step < 1005, 0, 1)*b"), aggregates=["loss=mean:10"]
    )
    found = examine(spec, table(step=step, loss=total, a=A, b=B))
    assert found.outcome is not None
    assert found.outcome.undecided == {"a scheduled weight changes inside the window": 1}
    assert judge(found)[0] is Verdict.PASS


def test_opposite_infinities_refute() -> None:
    total, a = float32(A + B), A.copy()
    total[7], a[7] = np.inf, -np.inf
    assert verdict("loss = a + b", table(loss=total, a=a, b=B))[0] is Verdict.FAIL


def test_nan_under_a_weight_of_zero_is_not_decided() -> None:
    b = np.where(STEP < 100, np.nan, B)
    found = examine(
        spec_from_formula("loss = a + where(step < 100, 0, 1)*b"),
        table(step=STEP, loss=GATED, a=A, b=b),
    )
    assert judge(found)[0] is Verdict.PASS
    assert found.outcome is not None
    assert found.outcome.declared.decided == 100


def test_numbers_that_only_a_coarser_dtype_explains_are_not_decided() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.uniform(0.2, 1, ROWS), rng.uniform(0.2, 1, ROWS)
    half = (a.astype(np.float16) + b.astype(np.float16)).astype(float)
    printed = {
        k: np.array([float(f"{x:.3g}") for x in v]) for k, v in (("a", a), ("b", b), ("loss", half))
    }
    assert verdict("loss = a + b", table(**printed))[0] is not Verdict.FAIL


def test_a_weight_of_few_digits_is_exact_or_the_row_is_open() -> None:
    weight = np.round(np.minimum(1.0, (1 + STEP // 20) / 10), 1)
    right = float32(A + weight * B)
    assert (
        verdict("loss = a + w*b", table(step=STEP, loss=right, a=A, b=B, w=weight))[0]
        is Verdict.PASS
    )
    wrong = float32(A + (weight - 0.01) * B)
    found, reason = verdict("loss = a + w*b", table(step=STEP, loss=wrong, a=A, b=B, w=weight))
    assert found is Verdict.INCONCLUSIVE
    assert "`w` was rounded to 1 decimal" in reason


def test_rank_mean_beside_one_rank_passes_or_is_open_and_never_fails() -> None:
    aggregates = ("loss=rank-mean", "a=rank-local", "b=rank-local")
    log = table(loss=float32(A + B), a=A, b=B)
    assert verdict("loss = a + b", log, *aggregates)[0] is Verdict.PASS
    log = table(loss=float32(A + B) * 1.01, a=A, b=B)
    found, reason = verdict("loss = a + b", log, *aggregates)
    assert found is Verdict.INCONCLUSIVE
    assert "do not close, and need not" in reason


def test_zeros_earn_nothing() -> None:
    zeros = np.zeros(ROWS)
    assert verdict("loss = a + b", table(loss=zeros, a=zeros, b=zeros))[0] is Verdict.INCONCLUSIVE


def test_values_at_the_ends_of_float64_crash_nothing() -> None:
    log = table(
        loss=np.array([1e-300, 2e-300]), a=np.array([1e300, 3e300]), b=np.array([-2e300, -2e300])
    )
    assert verdict("loss = 2.0*a + b", log)[0] in set(Verdict)


def test_fold_of_two_halves_is_the_fold_of_the_whole() -> None:
    total = float32(2 * A + B)
    total[[3, 150]] *= 1.001
    log = table(step=STEP, loss=total, a=A, b=B)
    spec = spec_from_formula("loss = 2.0*a + b", ["a + 2.0*b"])
    binding = bind(spec, log)

    def folded(*stretches: slice) -> Closure:
        whole = Closure(binding.declared, binding.rivals)
        for stretch in stretches:
            columns = {t: np.concatenate(list(c.blocks())) for t, c in log.columns.items()}
            part = table(**{t: values[stretch] for t, values in columns.items()})
            whole.merge(fold_of(part))
        return whole

    def fold_of(log: Log) -> Closure:
        keys = find_keys(log)
        fold, preparation = (
            Closure(binding.declared, binding.rivals),
            Preparation(binding, keys, spec.dtype),
        )
        for rows in Join.of(log, "loss", ["a", "b"], keys).rows():
            fold.update(rows, preparation.prepare(rows))
        return fold

    fold = fold_of(log)
    one, two = fold.result(), folded(slice(0, 80), slice(80, ROWS)).result()
    assert (one.rows, one.declared, one.rivals) == (two.rows, two.declared, two.rivals)
    assert [v.step for v in one.violations] == [v.step for v in two.violations] == [3, 150]
    for name, share in one.shares.items():
        assert two.shares[name].mean == pytest.approx(share.mean, rel=1e-12)
        assert (two.shares[name].p05, two.shares[name].p95) == (share.p05, share.p95)
    assert one.steps == two.steps == (0, ROWS - 1)
    assert one.box is not None
    assert two.box is not None
    assert np.array_equal(one.box.low, two.box.low)


def test_a_constant_weight_beside_integers_is_not_rounded_to_integers() -> None:
    count = np.random.default_rng(1).integers(0, 900, ROWS).astype(float)
    weight = np.full(ROWS, 0.1)
    wrong = float32(A + 0.35 * B + 0.001 * count)
    log = table(loss=wrong, a=A, b=B, w=weight, n=count)
    assert verdict("loss = a + w*b + 0.001*n", log)[0] is not Verdict.PASS
    right = table(loss=float32(A + 0.1 * B + 0.001 * count), a=A, b=B, w=weight, n=count)
    assert verdict("loss = a + w*b + 0.001*n", right)[0] is not Verdict.FAIL


def test_a_constant_term_that_was_rounded_raises_no_alarm() -> None:
    small = np.random.default_rng(2).uniform(0.006, 0.014, ROWS)
    log = table(loss=float32(A + small), a=A, b=np.full(ROWS, 0.01))
    assert verdict("loss = a + b", log)[0] is not Verdict.FAIL


def test_rows_of_epochs_may_be_means_over_any_number_of_steps() -> None:
    steps = np.random.default_rng(5).random((3, 400, 30)).astype(np.float32)
    steps[0] = 2 * steps[1] + steps[2]
    means = np.cumsum(steps, axis=1, dtype=np.float32)[:, -1] / np.float32(400)
    columns = dict(zip(("loss", "a", "b"), means.astype(float), strict=True))
    log = table(epoch=np.arange(30.0), **columns)
    found, reason = verdict("loss = 2*a + b", log)
    assert found is Verdict.INCONCLUSIVE
    assert "mean over steps" in reason
    assert verdict("loss = 2.01*a + b", log)[0] is Verdict.FAIL
    assert verdict("loss = 2*a + b", log, "*=mean:400")[0] is Verdict.PASS


def test_one_column_on_a_coarse_grid_does_not_make_the_sum_coarse() -> None:
    weight = np.minimum((STEP + 1) / 256, 1.0)
    wrong = float32(1.004 * A + weight * B)
    log = table(step=STEP, loss=wrong, a=A, b=B, w=weight)
    assert verdict("loss = a + w*b", log)[0] is not Verdict.PASS


@pytest.mark.parametrize("form", ["%.0f", "%.1f"])
def test_rows_whose_tolerance_is_like_their_total_earn_nothing(form: str) -> None:
    printed = {k: np.array([float(form % x) for x in v]) for k, v in (("a", A), ("b", B))}
    total = np.array([float(form % x) for x in A + B])
    found, reason = verdict("loss = a + b", table(loss=total, **printed))
    assert found is not Verdict.FAIL
    if form == "%.0f":
        assert found is Verdict.INCONCLUSIVE, reason


def test_a_difference_of_huge_terms_earns_nothing() -> None:
    huge = float32(1e8 * A)
    noise = np.random.default_rng(4).uniform(0, 3, ROWS)
    found, reason = verdict("loss = a - b", table(loss=noise, a=huge, b=huge))
    assert found is Verdict.INCONCLUSIVE
    assert "the tolerance is above a quarter of the total" in reason


def test_a_term_that_is_read_from_the_total_proves_nothing() -> None:
    log = table(loss=float32(A + B), a=A, b=B)
    spec = override(spec_from_formula("loss = a + 0*b"), maps=["a=loss"])
    found, reason = judge(examine(spec, log))
    assert found is Verdict.INCONCLUSIVE
    assert reason == "`a` is read from `loss`, which is the total itself"


def test_two_terms_read_from_one_tag_prove_nothing() -> None:
    spec = override(spec_from_formula("loss = a + b"), maps=["b=a"])
    found, reason = judge(examine(spec, table(loss=float32(2 * A), a=A, b=B)))
    assert (found, reason) == (Verdict.INCONCLUSIVE, "`a` and `b` are both read from `a`")


def test_records_that_lack_the_total_count_as_rows() -> None:
    log = table(loss=float32(A + B)[:80], a=A, b=B)
    found = examine(spec_from_formula("loss = a + b"), log)
    assert found.outcome is not None
    assert found.outcome.rows == ROWS
    assert found.outcome.undecided == {"a record holds every term and no total": ROWS - 80}


def split_log(weight: float, *joint: tuple[float, float, float]) -> Log:
    """Totals a + weight*b and terms in records of their own, then records that hold all three."""
    size = 2 * ROWS
    last = np.arange(size, size + len(joint))
    more = np.array(joint).reshape(-1, 3).T
    step = np.concatenate([np.repeat(STEP, 2), last])
    terms_at = np.concatenate([np.arange(1, size, 2), last])
    columns = {
        "step": (step, np.arange(len(step))),
        "loss": (np.append(float32(A + weight * B), more[0]), terms_at - (terms_at < size)),
        "a": (np.append(A, more[1]), terms_at),
        "b": (np.append(B, more[2]), terms_at),
    }
    found = {t: Column(t, v, r, "float64") for t, (v, r) in columns.items()}
    return Log.of(Table("log", found, np.arange(len(step))))


def test_a_record_that_holds_all_decides_no_less_of_the_others() -> None:
    summary = (0.75, 0.5, 0.25)
    wrong = verdict("loss = a + b", split_log(2, summary))
    assert wrong == (
        Verdict.FAIL,
        f"{ROWS} of {ROWS + 1} decided rows refute the formula, from step 0",
    )
    right = verdict("loss = a + b", split_log(1, summary))
    assert right == (Verdict.PASS, f"the formula holds on all {ROWS + 1} decided rows")
    late = verdict("loss = a + b", split_log(1, summary, (1.0, 0.5, 0.25)))
    assert late[0] is Verdict.FAIL


@pytest.mark.parametrize("rows_an_epoch", [1, 40])
def test_rows_within_an_epoch_are_no_means_over_it(rows_an_epoch: int) -> None:
    a, b = np.random.default_rng(5).random((2, 200))
    epoch = np.floor(np.arange(200.0) / rows_an_epoch)
    iteration = np.arange(200.0) % 40
    total = (2 * a + b) * (1 + 2e-6)
    log = table(epoch=epoch, loss=total, a=a, b=b)
    assert (verdict("loss = 2*a + b", log)[0] is Verdict.FAIL) is (rows_an_epoch > 1)
    log = table(epoch=np.floor(np.arange(200.0) / 40), iter=iteration, loss=total, a=a, b=b)
    assert verdict("loss = 2*a + b", log)[0] is Verdict.FAIL


@pytest.mark.parametrize(
    ("formula", "term"),
    [
        ("exp(a) + b", -np.inf),
        ("b/a + b", np.inf),
        ("log(a) + b", 0.0),
        ("log(a) + b", -1.0),
        ("sqrt(a) + b", -0.5),
        ("b/(a - 0.125)", 0.125),
    ],
)
def test_a_finite_total_of_what_is_not_finite_fails(formula: str, term: float) -> None:
    scope = {"a": A, "b": B, "exp": np.exp, "log": np.log, "sqrt": np.sqrt}
    total = float32(eval(formula, {"__builtins__": {}}, scope))
    right = verdict(f"loss = {formula}", table(step=STEP, loss=total, a=A, b=B))
    assert right[0] is Verdict.PASS
    masked = np.where(STEP == 120, term, A)
    found = verdict(f"loss = {formula}", table(step=STEP, loss=total, a=masked, b=B))
    assert found == (Verdict.FAIL, "1 of 200 decided rows refute the formula, from step 120")


def test_a_term_that_a_branch_leaves_out_may_be_anything() -> None:
    odd = np.where(STEP < 100, np.nan, B)
    log = table(step=STEP, loss=GATED, a=A, b=odd)
    assert verdict("loss = where(step < 100, a, a + b)", log)[0] is Verdict.PASS


def test_a_record_without_a_step_is_called_that() -> None:
    step = np.where(STEP == 7, np.nan, STEP)
    log = table(step=step, loss=float32(A + B) + (STEP == 7), a=A, b=B)
    reason = "1 of 200 decided rows refute the formula, from a record without a step"
    assert verdict("loss = a + b", log) == (Verdict.FAIL, reason)
