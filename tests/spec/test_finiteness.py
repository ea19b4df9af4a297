"""Where a formula can have no finite value: certain where it says so, and silent at the limit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lossaudit.numerics.bounded import Arithmetic
from lossaudit.spec.finiteness import Finiteness
from lossaudit.spec.formula import parse_formula

INF, NAN = np.inf, np.nan


def asked(a: float, b: float, half: float = 0.0) -> Finiteness:
    """One row with terms a and b."""
    arithmetic = Arithmetic("float32")
    columns = {
        n: arithmetic.column(np.array([v]), np.array([half])) for n, v in (("a", a), ("b", b))
    }
    columns["step"] = arithmetic.exactly(np.array([100.0]))
    return Finiteness(columns, arithmetic)


def has_no_value(formula: str, a: float, b: float, half: float = 0.0) -> bool:
    return bool(np.all(asked(a, b, half).has_no_value(parse_formula(formula))))


@pytest.mark.parametrize(
    ("formula", "a", "half"),
    [
        ("log(a) + b", 0.0, 0.0),
        ("log(a) + b", -1.0, 0.5),
        ("log(a) + b", -0.5, 0.25),
        ("2*sqrt(a)", -0.5, 0.25),
        ("a**0.5", -0.5, 0.25),
        ("a**-0.5", -0.5, 0.25),
        ("1/a", 0.0, 0.0),
        ("a**-2", 0.0, 0.0),
        ("b/(a - 0.5)", 0.5, 0.0),
        ("b/(2*(0.5 - a))", 0.5, 0.0),
        ("b/(step - 100)", 0.5, 0.0),
        ("b - log(log(a))", -1.0, 0.0),
        ("sqrt(1/a)", 0.0, 0.0),
        ("max(log(a), 1/a)", 0.0, 0.0),
        ("where(step < 100, b, log(a))", 0.0, 0.0),
        ("b*log(a)", -1.0, 0.0),
        ("(b + log(a))**2/abs(log(a))", -1.0, 0.0),
    ],
)
def test_outside_the_domain_there_is_no_value(formula: str, a: float, half: float) -> None:
    assert has_no_value(formula, a, 1.0, half)


@pytest.mark.parametrize(
    ("formula", "a", "half"),
    [
        ("log(a) + b", 0.0, 0.25),
        ("log(a) + b", -0.25, 0.5),
        ("log(a) + b", 1.0, 0.0),
        ("sqrt(a)", 0.0, 0.0),
        ("sqrt(a)", -0.25, 0.5),
        ("a**3", -0.5, 0.0),
        ("1/a", 0.0, 0.25),
        ("b/(a - 0.5)", 0.5, 0.25),
        ("b/(a - 0.1)", 0.1, 0.0),  # float32 has no 0.1
        ("b/(a + 0.25 - 0.5 - 0.25)", 0.5, 0.0),  # the order decides what is lost
        ("exp(log(a))", 0.0, 0.0),
        ("b/log(a)", 0.0, 0.0),
        ("max(log(a), b)", 0.0, 0.0),
        ("where(step < 100, log(a), b)", 0.0, 0.0),
        ("where(a > 0.5, log(b - 3), b)", 0.5, 0.25),  # either branch may be
        ("a*log(a)", 0.0, 0.0),
        ("where(step < 200, 0, 1)*log(a)", -1.0, 0.0),
    ],
)
def test_at_the_limit_nothing_is_certain(formula: str, a: float, half: float) -> None:
    assert not has_no_value(formula, a, 1.0, half)


@pytest.mark.parametrize(
    ("formula", "a", "part"),
    [
        ("exp(a) + b", -INF, True),
        ("b/a", INF, True),
        ("max(a, b)", -INF, True),
        ("a*b", NAN, True),
        ("log(b)", INF, False),
        ("where(step < 200, b, a)", NAN, False),
        ("where(step < 100, b, a)", NAN, True),
        ("where(a > 0.5, a, b)", INF, True),
        ("where(a > 0.5, a, b)", NAN, False),
        ("where(step < 200, 0, 1)*a + b", NAN, False),
        ("where(step < 200, 0, 1)*a + a", NAN, True),
    ],
)
def test_a_term_takes_part_unless_a_branch_or_a_weight_leaves_it_out(
    formula: str, a: float, part: bool
) -> None:
    assert bool(np.all(asked(a, 1.0).takes_part(parse_formula(formula)))) is part


LEAVES = st.sampled_from(["a", "b", "0.5", "1", "step"])
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["{} + {}", "{} - {}", "{}*{}", "{}/({})", "max({}, {})"]), inner,
                  inner).map(lambda t: t[0].format(f"({t[1]})", f"({t[2]})")),
        st.tuples(st.sampled_from(["log({})", "sqrt({})", "exp({})", "({})**0.5", "({})**-2",
                                   "({})**2", "where(a < b, {}, b)", "-({})"]), inner)
        .map(lambda t: t[0].format(t[1])),
    ),
    max_leaves=6,
)  # fmt: skip
NEAR = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])


@given(FORMULAS, NEAR, NEAR, st.sampled_from([0.0, 0.25, 0.5]), NEAR, NEAR)
@example("log(log(a))", 0.0, 0.0, 0.0, 0.0, 0.0)
def test_no_training_has_a_finite_total_where_there_is_no_value(
    formula: str, a: float, b: float, half: float, left: float, right: float
) -> None:
    """Training's terms lie anywhere in the intervals of the logged ones."""
    scope = {
        "a": np.float32(a + left * half), "b": np.float32(b + right * half),
        "step": np.float32(100), "log": np.log, "sqrt": np.sqrt, "exp": np.exp,
        "max": np.fmax, "where": lambda c, x, y: np.float32(x if c else y),
    }  # fmt: skip
    one = np.float32(1)
    with np.errstate(all="ignore"):
        text = formula.replace("**0.5", "**half").replace("(1)", "(one)").replace("(0.5)", "(half)")
        total = np.float32(eval(text, {"__builtins__": {}}, {**scope, "half": one / 2, "one": one}))
    if has_no_value(formula, a, b, half):
        assert not np.isfinite(total)
