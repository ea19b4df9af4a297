"""The algebra of means, sums, medians and averages, and what accumulating them loses."""

from __future__ import annotations

import numpy as np
import pytest

from lossaudit.closure.aggregates import (
    Aggregate,
    accumulation_roundings,
    aggregate_of,
    may_hold,
    parse_aggregate,
    schedule_is_fixed,
    why_not_additive,
    windows,
)
from lossaudit.closure.decide import Block, Decision, decide
from lossaudit.errors import UsageError
from lossaudit.numerics.bounded import Arithmetic
from lossaudit.spec.formula import parse_formula
from lossaudit.spec.tree import names


@pytest.mark.parametrize(
    ("text", "aggregate"),
    [
        ("step", Aggregate()),
        ("last", Aggregate("last")),
        ("mean", Aggregate("mean")),
        ("mean:100", Aggregate("mean", 100)),
        ("mean:float64", Aggregate("mean", wide=True)),
        ("sum:4", Aggregate("sum", 4)),
        ("median", Aggregate("median")),
        ("ema:0.98", Aggregate("ema", decay=0.98)),
        ("ema:.5", Aggregate("ema", decay=0.5)),
        ("rank-local", Aggregate("rank-local")),
        ("rank-mean:8", Aggregate("rank-mean", 8)),
    ],
)
def test_aggregates_parse(text: str, aggregate: Aggregate) -> None:
    assert parse_aggregate(text) == aggregate


@pytest.mark.parametrize(
    "text",
    ["", "avg", "mean:0", "mean:-1", "mean:1.5", "step:3", "ema", "ema:1", "ema:1.5", "MEAN"],
)
def test_what_is_no_aggregate_is_refused_with_the_list(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_aggregate(text)
    assert str(caught.value) == (
        f"{text!r} is no aggregate\n"
        "  expected: step, last, mean, mean:W, mean:float64, sum:K, median:W, ema:A, rank-local "
        "or rank-mean:N"
    )


def test_an_aggregate_is_found_by_name_then_tag_then_glob() -> None:
    declared = {"total": "last", "train/*": "mean:5", "train/kl": "sum:2"}
    assert str(aggregate_of("total", "train/loss", declared)) == "last"
    assert str(aggregate_of("kl", "train/kl", declared)) == "sum:2"
    assert str(aggregate_of("rec", "train/rec", declared)) == "mean:5"
    assert aggregate_of("rec", "rec", declared) is None


EVERY = ["step", "last", "rank-local", "mean:10", "sum:4", "median:20", "ema:0.9", "rank-mean:8"]
LINEAR = "2*a + b - 0.5*c"
FORMULAS = {
    "linear": LINEAR,
    "one term": "2*a",
    "scheduled": "a + where(step < 9, 0, 1)*b",
    "product": "w*a + b",
    "square": "a**2 + b",
    "maximum": "max(a, 0) + b",
    "constant": "a + 3",
}
WHY = {
    "median": "medians do not add up: the median of a sum is not the sum of the medians",
    "product": "w*a is a product of logged columns, which does not survive {}",
    "square": "a is a product of logged columns, which does not survive {}",
    "maximum": "max(a, 0) is not linear in the terms, so it does not survive {}",
}


def expected_reason(formula: str, aggregate: str) -> str | None:
    kind = aggregate.partition(":")[0]
    if kind in ("step", "last", "rank-local"):
        return None
    if kind == "median" and formula not in ("one term", "constant"):
        return WHY["median"]
    reason = WHY.get(formula)
    return reason.replace("{}", aggregate) if reason else None


@pytest.mark.parametrize("aggregate", EVERY)
@pytest.mark.parametrize("formula", FORMULAS)
def test_the_algebra(formula: str, aggregate: str) -> None:
    tree = parse_formula(FORMULAS[formula])
    total = parse_aggregate(aggregate)
    terms = dict.fromkeys(names(tree) - {"step"}, total)
    reason = why_not_additive(tree, total, terms)
    expected = expected_reason(formula, str(total))
    if expected is not None and formula in ("product", "square") and reason is not None:
        expected = expected.replace("w*a", "a*w") if "a*w" in reason else expected
    assert reason == expected


@pytest.mark.parametrize("left", EVERY)
@pytest.mark.parametrize("right", EVERY)
def test_windows_that_differ_do_not_add_up(left: str, right: str) -> None:
    total, term = parse_aggregate(left), parse_aggregate(right)
    reason = why_not_additive(parse_formula("a + b"), total, {"a": total, "b": term})
    if left != right:
        assert reason == f"the total is logged as {total} but `b` as {term}: they cover other steps"
    held = may_hold(total, {"a": total, "b": term})
    assert held == ({left, right} == {"rank-local", "rank-mean:8"})


@pytest.mark.parametrize("aggregate", ["mean", "sum"])
def test_means_and_sums_really_commute_and_medians_really_do_not(aggregate: str) -> None:
    generator = np.random.default_rng(1)
    a, b, c = generator.exponential(size=(3, 50, 10))
    reduce = getattr(np, aggregate)
    total = 2 * a + b - 0.5 * c
    parts = [reduce(x, axis=1) for x in (a, b, c)]
    np.testing.assert_allclose(reduce(total, axis=1), 2 * parts[0] + parts[1] - 0.5 * parts[2])
    medians = [np.median(x, axis=1) for x in (a, b, c)]
    off = np.median(total, axis=1) - (2 * medians[0] + medians[1] - 0.5 * medians[2])
    assert np.abs(off).max() > 0.1


# --- windows


def test_a_declared_window_is_every_rows() -> None:
    np.testing.assert_array_equal(
        windows(Aggregate("mean", 7), np.array([5, 9]), False, False), [7, 7]
    )


def test_an_undeclared_window_is_the_distance_to_the_row_before() -> None:
    found = windows(Aggregate("mean"), np.array([9, 19, 49, 49, 20]), True, False)
    np.testing.assert_array_equal(found, [10, 10, 30, np.nan, np.nan])


@pytest.mark.parametrize(("known", "epoch"), [(False, False), (True, True), (False, True)])
def test_an_unknown_window_is_not_a_number(known: bool, epoch: bool) -> None:
    assert np.isnan(windows(Aggregate("mean"), np.arange(3), known, epoch)).all()


def test_roundings_of_accumulation() -> None:
    window, size = np.array([16.0, np.nan]), np.array([2.0, 1.0])
    for text, expected in [
        ("step", [0, 0]),
        ("median:5", [0, 0]),
        ("mean", [16, np.nan]),
        ("sum", [16, np.nan]),
        ("mean:float64", [0, 0]),
        ("rank-mean", [8, 8]),
        ("rank-mean:64", [64, 64]),
        ("ema:0.5", [6, 11]),  # 3 (1 + ln(M / y)) / (1 - A), rounded up
    ]:
        found = accumulation_roundings(
            parse_aggregate(text), window, size, np.maximum.accumulate(size)
        )
        np.testing.assert_array_equal(found, expected, err_msg=text)


def test_a_schedule_is_fixed_where_all_its_samples_agree() -> None:
    samples = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    assert schedule_is_fixed(samples).tolist() == [True, False, True]


# --- simulated accumulators in float32


def decided(terms: np.ndarray, total: np.ndarray, weights: list[str], extra) -> Decision:
    arithmetic = Arithmetic("float32", extra)
    plain, count = Arithmetic("float32"), len(total)
    columns = {
        f"t{i}": plain.column(t.astype(np.float64), np.zeros(count)) for i, t in enumerate(terms)
    }
    tree = parse_formula(" + ".join(f"{w}*t{i}" for i, w in enumerate(weights)))
    every = {n: np.ones(count, bool) for n in columns}
    return decide(tree, names(tree), Block(
        total.astype(np.float64), np.zeros(count), columns, every, np.ones(count, bool), arithmetic
    ))  # fmt: skip


def training(seed: int, windows_: int, length: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Float32 terms (3, rows, steps) and their float32 totals; losses fall, or stay constant."""
    generator = np.random.default_rng(seed)
    weights = ["2.0", "0.1", "0.37"]
    shape = (3, windows_, length)
    terms = np.exp(generator.normal(0, generator.choice([0.0, 0.3, 1.5]), shape))
    terms = (terms * generator.uniform(0.1, 3, (3, windows_, 1))).astype(np.float32)
    a, b, c = (np.float32(w) for w in weights)
    return terms, (a * terms[0] + b * terms[1]) + c * terms[2], weights


def running_sum(values: np.ndarray) -> np.ndarray:
    total = np.zeros(values.shape[:-1], np.float32)
    for i in range(values.shape[-1]):
        total = total + values[..., i]
    return total


def running_mean(values: np.ndarray) -> np.ndarray:
    return running_sum(values) / np.float32(values.shape[-1])


@pytest.mark.parametrize("length", [2, 16, 100, 1000])
@pytest.mark.parametrize("reduce", [running_mean, running_sum])
def test_float32_means_and_sums_are_never_refuted(length: int, reduce) -> None:
    for seed in range(12):
        terms, total, weights = training(seed, 500, length)
        outcome = decided(reduce(terms), reduce(total), weights, length)
        assert outcome.decided.all()
        assert not outcome.refuted.any()


@pytest.mark.parametrize("length", [100, 1000])
def test_without_the_windows_roundings_correct_means_would_be_refuted(length: int) -> None:
    terms, total, weights = training(3, 500, length)
    assert decided(running_mean(terms), running_mean(total), weights, 0).refuted.sum() > 20


def test_a_mean_built_against_us_reaches_half_of_what_the_window_grants() -> None:
    """1 + 999 halves of an ulp in the total: every addition loses one rounding."""
    values = np.full((1, 1, 1000), 2.0**-24, np.float32)
    values[..., 0] = 1
    exact = np.float32(values.astype(np.float64).sum())  # the term was accumulated in float64
    outcome = decided(np.array([[exact]]), running_sum(values)[0], ["1"], 1000)
    assert not outcome.refuted.any()
    assert np.abs(outcome.residual[0]) / outcome.tolerance[0] > 0.9


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.99, 0.999])
def test_float32_exponential_averages_are_never_refuted(decay: float) -> None:
    aggregate = parse_aggregate(f"ema:{decay}")
    extra_needed = 0
    for seed in range(12):
        terms, total, weights = training(seed, 20, 2500)
        falling = np.float32(np.exp(-np.arange(2500) / 300 * (seed % 3)))
        terms = terms * falling
        a, b, c = (np.float32(w) for w in weights)
        total = (a * terms[0] + b * terms[1]) + c * terms[2]
        for start in (0.0, 1.0):  # from zero, or from the first value
            averaged = []
            for values in (*terms, total):
                y, path = np.float32(start) * values[:, 0], []
                for i in range(values.shape[1]):
                    y = np.float32(decay) * y + np.float32(1 - decay) * values[:, i]
                    path.append(y)
                averaged.append(np.array(path))  # (steps, runs)
            for run in range(0, 20, 5):
                one = np.array([x[:, run] for x in averaged[:3]])
                whole = averaged[3][:, run]
                size = np.abs(whole)
                extra = accumulation_roundings(
                    aggregate, np.ones(len(whole)), size, np.maximum.accumulate(size)
                )
                assert not decided(one, whole, weights, extra).refuted.any()
                extra_needed += decided(one, whole, weights, 0).refuted.sum()
    assert extra_needed > 50 or decay == 0.5
