"""Values against NumPy, written out by hand."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from lossaudit.numerics.bounded import Arithmetic
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.formula import parse_formula
from lossaudit.spec.tree import Family

GENERATOR = np.random.default_rng(4)
A, B, C = GENERATOR.uniform(0.1, 3, (3, 500))
STEP = np.arange(500.0)


def run(text: str, dtype: str = "float64", **columns: np.ndarray):
    arithmetic = Arithmetic(dtype)
    given = {"a": A, "b": B, "c": C, **columns}
    known = {n: arithmetic.column(v, np.zeros(len(v))) for n, v in given.items()}
    return evaluate(parse_formula(text), {**known, "step": arithmetic.exactly(STEP)}, arithmetic)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.0*a + b", 2 * A + B),
        ("a - b - c", A - B - C),
        ("-(a*b)/c", -(A * B) / C),
        ("a**3 + b**-2 + c**0.5", A**3 + B**-2.0 + C**0.5),
        ("min(a, b, c) + max(a, 1.5)", np.minimum(np.minimum(A, B), C) + np.maximum(A, 1.5)),
        ("abs(a - b)", np.abs(A - B)),
        ("exp(-a) + log(b) + sqrt(c)", np.exp(-A) + np.log(B) + np.sqrt(C)),
        ("where(step < 250, 0, 0.5)*a", np.where(STEP < 250, 0, 0.5) * A),
        ("where(a >= b, a, c)", np.where(A >= B, A, C)),
        ("min(step/100, 1)*a", np.minimum(STEP / 100, 1) * A),
        ("a**17", A**17),
    ],
)
def test_values_are_numpys(text: str, expected: np.ndarray) -> None:
    outcome = run(text)
    np.testing.assert_allclose(outcome.value, expected, rtol=1e-14)
    assert np.all(np.isfinite(outcome.radius))


@pytest.mark.parametrize("text", ["a/0", "a/(b - b)", "log(a - a)", "sqrt(-a)", "(a - b)**0.5*0"])
def test_what_has_no_value_has_no_finite_bound_and_no_warning(text: str) -> None:
    outcome = run(text, b=A)
    tolerance = Arithmetic("float64").tolerance(outcome)
    assert not np.any(np.isfinite(outcome.value) & np.isfinite(tolerance))


def test_a_weight_of_zero_on_an_infinite_term_cannot_be_decided() -> None:
    outcome = run("0*a + b", a=np.full(500, np.inf))
    assert np.isposinf(outcome.radius).all()


def test_overflow_is_an_infinity_without_a_warning() -> None:
    assert np.isposinf(run("exp(1000*a)*a**64", a=np.full(500, 1e300)).value).all()


def test_a_name_without_a_column_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        run("a + nowhere")


def test_an_unresolved_family_is_our_mistake() -> None:
    with pytest.raises(TypeError, match="Family cannot be evaluated"):
        evaluate(Family(("a*",)), {}, Arithmetic())


def test_nothing_is_left_for_the_garbage_collector() -> None:
    """What is part of a cycle keeps its columns, block after block, until Python looks for it."""
    formula = parse_formula("2*a + max(a, b)")
    gc.collect()
    gc.disable()
    try:
        arithmetic = Arithmetic()
        columns = {n: arithmetic.column(np.ones(3), np.zeros(())) for n in "ab"}
        evaluate(formula, columns, arithmetic)
        assert gc.collect() == 0
    finally:
        gc.enable()
