"""The fast way for weighted sums against the general one, on the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lossaudit.closure.blocks import Prepared
from lossaudit.closure.decide import Block
from lossaudit.closure.linear import as_linear, evaluate_all, terms_of
from lossaudit.closure.panel import Panel
from lossaudit.numerics.bounded import Arithmetic
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.formula import parse_formula

FORMULAS = [
    "a",
    "2.0*a",
    "2.0*a + b",
    "a - 0.01*b + 3*c",
    "300*a + b",
    "-(a - 2.5*b)",
    "0.1*(a + 7*(b - c)) + 0.25",
    "-3*a - 1",
    "1000000007*a + b",
]
NOT_LINEAR = [
    "a*b",
    "a + a",
    "a/2",
    "max(a, b)",
    "where(step < 3, 0, 1)*a",
    "0*a + b",
    "a**2",
    "step*a",
    "2.0",
]


def block(seed: int, dtype: str, printed: str, extra: str, count: int = 50) -> Block:
    rng = np.random.default_rng(seed)
    arithmetic = Arithmetic(dtype, {"none": 0, "all": 7.0, "each": rng.uniform(0, 9, count)}[extra])
    halves = {"exact": np.zeros(()), "one": np.asarray(5e-5), "each": rng.uniform(0, 1e-3, count)}
    columns = {
        n: arithmetic.column(rng.normal(size=count) * 10.0 ** rng.integers(-9, 9), halves[printed])
        for n in "abc"
    }
    columns["step"] = arithmetic.exactly(np.arange(float(count)))
    present = {n: np.ones(count, bool) for n in columns}
    total = rng.normal(size=count)
    return Block(total, np.asarray(1e-4), columns, present, np.ones(count, bool), arithmetic)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("printed", ["exact", "one", "each"])
@pytest.mark.parametrize("extra", ["none", "all", "each"])
def test_value_and_tolerance_are_the_general_ones(dtype: str, printed: str, extra: str) -> None:
    rows = block(3, dtype, printed, extra)
    trees = [parse_formula(f) for f in FORMULAS]
    linear = [as_linear(t, rows.arithmetic) for t in trees]
    terms = terms_of("abc", rows)
    assert terms is not None
    found = evaluate_all([f for f in linear if f is not None], terms, rows)
    assert found is not None
    assert len(found[0]) == len(FORMULAS)
    for tree, value, tolerance in zip(trees, *found, strict=True):
        outcome = evaluate(tree, rows.columns, rows.arithmetic)
        outcome = replace(outcome, roundings=max(outcome.roundings, 2))
        expected = rows.arithmetic.tolerance(outcome) + rows.total_half
        np.testing.assert_allclose(tolerance, expected, rtol=1e-12)
        own = 32 * np.finfo(float).eps * outcome.magnitude  # both are sums in float64
        assert np.all(np.abs(value - outcome.value) <= own)


@pytest.mark.parametrize("formula", NOT_LINEAR)
def test_what_is_no_weighted_sum_is_left_to_the_general_way(formula: str) -> None:
    assert as_linear(parse_formula(formula), Arithmetic()) is None


def spoilt(rows: Block, how: str) -> Block:
    if how == "nan":
        values = rows.columns["b"].value.copy()
        values[7] = np.nan
        column = rows.arithmetic.column(values, rows.columns["b"].radius)
        return replace(rows, columns={**rows.columns, "b": column})
    if how == "infinite total":
        total = rows.total.copy()
        total[3] = np.inf
        return replace(rows, total=total)
    if how == "missing":
        present = np.ones(len(rows.total), bool)
        present[5] = False
        return replace(rows, present={**rows.present, "a": present})
    decidable = np.ones(len(rows.total), bool)
    decidable[9] = False
    return replace(rows, decidable=decidable)


@given(
    st.integers(0, 10**6),
    st.sampled_from(list(FORMATS)),
    st.sampled_from(["exact", "one", "each"]),
    st.sampled_from(["", "nan", "infinite total", "missing", "barred"]),
    st.booleans(),
)
def test_the_panel_decides_as_one_by_one(
    seed: int, dtype: str, printed: str, how: str, doubted: bool
) -> None:
    rows = block(seed, dtype, printed, "none")
    near = 2 * rows.columns["a"].value + rows.columns["b"].value
    noise = np.random.default_rng(seed).uniform(-3, 3, len(near))
    rows = replace(rows, total=near * (1 + noise * FORMATS[dtype].unit_roundoff))
    cautious = replace(rows, total_half=np.abs(near) * 1e-3 + 1e-4) if doubted else None
    if how:
        rows = spoilt(rows, how)
        cautious = spoilt(cautious, how) if cautious else None
    rivals = [parse_formula(f) for f in ("a + 2*b", "a", "a*b", "gone")]
    prepared = Prepared(rows, {}, cautious)
    fast = Panel(parse_formula("2.0*a + b"), rivals[:2])
    slow = Panel(parse_formula("2.0*a + b"), rivals)
    (mine, others), (theirs, all_others) = (
        fast.judge(prepared, [0, 1]),
        slow.judge(prepared, [0, 1, 2, 3]),
    )
    assert all_others[3] is None
    for a, b in zip([mine, *others], [theirs, *all_others[:2]], strict=True):
        assert a is not None
        assert b is not None
        for field in ("decided", "refuted", "nonfinite", "missing", "vague"):
            np.testing.assert_array_equal(getattr(a.decision, field), getattr(b.decision, field))
        np.testing.assert_array_equal(a.excused, b.excused)
        np.testing.assert_allclose(a.decision.tolerance, b.decision.tolerance, rtol=1e-12)
