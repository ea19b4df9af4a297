"""Formula text and trees: round trips, refusals, and limits that hold."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossaudit.errors import FormulaError
from lossaudit.numerics.bounded import Arithmetic
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.formula import DEEPEST_TREE, LONGEST, parse_formula
from lossaudit.spec.formula_text import render
from lossaudit.spec.normal_form import normal_form
from lossaudit.spec.tree import (
    Call,
    Comparison,
    Expr,
    Family,
    Name,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Where,
    depth,
    expand_families,
    families,
    names,
    substitute,
)

LEAVES = st.one_of(
    st.sampled_from(["2", "0.5", "1e-3", ".25", "3.", "1E+2"]).map(
        lambda t: Number(Fraction(t), t)
    ),
    st.sampled_from(["a", "loss_lip", "step", "train/loss", "sum", "1st", "é"]).map(Name),
    st.sampled_from([("loss_*",), ("loss_*", "!loss_scale")]).map(Family),
)


def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    exponents = st.sampled_from(["2", "-1", "0.5"]).map(lambda t: Number(Fraction(t), t))
    comparisons = st.builds(Comparison, st.sampled_from(["<", ">=", "==", "!="]), inner, inner)
    return st.one_of(
        several.map(Sum),
        several.map(Product),
        st.builds(Quotient, inner, inner),
        inner.map(Negation),
        st.builds(Power, inner, exponents),
        st.builds(Call, st.sampled_from(["min", "max"]), several),
        st.builds(
            lambda f, x: Call(f, (x,)), st.sampled_from(["abs", "exp", "log", "sqrt"]), inner
        ),
        st.builds(Where, comparisons, inner, inner),
    )


TREES = st.recursive(LEAVES, grow, max_leaves=12)


@given(TREES)
def test_rendered_text_parses_to_the_same_tree(tree: Expr) -> None:
    assert parse_formula(render(tree)) == tree


@pytest.mark.parametrize(
    "text",
    [
        "(a + b) + c",
        "(a*b)*c",
        "-(-a)",
        "a - (b - c)",
        "a/(b*c)",
        "a/b/c*d",
        "(a + b)**-2",
        "-a**2",
    ],
)
def test_text_survives_a_round_trip(text: str) -> None:
    assert render(parse_formula(text)) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3*4", 14), ("2*3**2", 18), ("-2**2", -4), ("--3", 3), ("8/4/2", 1), ("8/4*2", 4),
        ("10 - 3 - 2", 5), ("2**-1", 0.5), ("min(3, 1, 2)", 1), ("max(3, 1, 2)", 3),
        ("where(1 < 2, 5, 7)", 5), ("where(2 <= 1, 5, 7)", 7), ("where(1 != 1, 5, 7)", 7),
        ("where(2 > 1, 5, 7)", 5), ("where(1 >= 1, 5, 7)", 5), ("where(1 == 2, 5, 7)", 7),
        ("abs(-2)", 2), ("sqrt(16)", 4), ("5*-2", -10), ("1e2", 100), (" .5\n+\t.5 ", 1),
    ],
)  # fmt: skip
def test_binding_strength_and_associativity(text: str, value: float) -> None:
    assert float(evaluate(parse_formula(text), {}, Arithmetic("float64")).value) == value


def test_numbers_are_exactly_what_their_text_says() -> None:
    assert parse_formula("0.1") == Number(Fraction(1, 10), "0.1")
    assert parse_formula("1e-30").value == Fraction(1, 10**30)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (60, "a.b"), (60, "a[0]"), (60, "f(a)"), (60, "__import__('os')"), (60, "lambda: 1"),
        (60, "(a := 1)"), (60, "f'{a}'"), (60, "[x for x in y]"), (60, "a if b else c"),
        (60, "{a}"), (60, "a; b"), (60, "a = b"), (60, '"a"'), (60, "a and b"), (60, "*a"),
        (61, "9**9**9"), (61, "1<<10**9"), (61, "9**65"), (61, "9**-65"), (61, "a**b"),
        (61, "1e999"), (61, "9" * 61), (61, "a**(2)"), (61, "2j"), (61, "0x10"), (61, "1_000"),
        (62, "(" * 300 + "a" + ")" * 300), (62, "abs(" * 61 + "a" + ")" * 61),
        (62, "a" + "/b" * 62), (62, "(" * 40 + "a" + " + 1)/b/b/b/b/b/b/b/b" * 40),
        (62, "a+" * (LONGEST // 2) + "a"), (62, "max(" + "a, " * 64 + "a)"),
        (63, "a\x00"), (63, "ａ + b"), (63, "a\u202e+ b"), (63, "а*2"), (63, "２*a"),
        (63, "a − b"), (63, "`a\x00b`"), (63, "`a\x1bb`"), (63, "``"), (63, "`a"),
        (0, ""), (0, "   "), (0, "a +"), (0, "+a"), (0, "a b"), (0, "(a"), (0, "a)"), (0, "max(a)"),
        (0, "abs(a, b)"), (0, "abs()"), (0, "abs"), (0, "sum(a)"), (0, "sum(`!a`)"), (0, "sum()"),
        (0, "where(a, 1, 2)"), (0, "where(a < 1, 2)"), (0, "a < b"), (0, "where(1<a<2, 1, 0)"),
        (0, "a,b"), (0, "2a"), (0, "."), (0, "a % b"), (0, "a // b"), (0, "~a"), (0, "a @ b"),
    ],
)  # fmt: skip
def test_what_is_outside_the_grammar_is_refused(number: int, text: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert caught.value.exit_code == 2
    assert 0 <= caught.value.column <= len(text), number
    assert all(c.isprintable() or c == "\n" for c in str(caught.value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a.b",
            "formula, column 2: '.' is not part of the formula language\n"
            "  a.b\n"
            "   ^\n"
            "  expected: numbers, names, + - * / **, parentheses, and abs, exp, log, max, min,"
            " sqrt, sum, where\n"
            "  try: put a tag that is no plain identifier in backquotes: `train/loss`",
        ),
        (
            "9**9**9",
            "formula, column 5: powers of powers need parentheses\n"
            "  9**9**9\n"
            "      ^\n"
            "  expected: parentheses",
        ),
        (
            "2*exp(a",
            'formula, column 8: the formula ends too early\n  2*exp(a\n         ^\n  expected: ")"',
        ),
        (
            "a + max(b)",
            "formula, column 5: max() has 1 argument(s)\n"
            "  a + max(b)\n"
            "      ^\n"
            "  expected: 2 or more",
        ),
        (
            "x + 2**65*y",
            "formula, column 8: exponent 65 is too large\n"
            "  x + 2**65*y\n"
            "         ^\n"
            "  expected: at most 64",
        ),
        ("1e400", "formula, column 1: number 1e400 is out of range\n  1e400\n  ^"),
    ],
)
def test_the_whole_message(text: str, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert str(caught.value) == message


def test_twenty_thousand_terms_parse_and_evaluate_in_two_seconds() -> None:
    text = " + ".join(f"0.5*t{i}" for i in range(20_000))
    start = time.process_time()
    tree = parse_formula(text)
    arithmetic = Arithmetic()
    column = arithmetic.column(np.ones(3), np.zeros(3))
    outcome = evaluate(tree, dict.fromkeys(names(tree), column), arithmetic)
    assert time.process_time() - start < 2
    assert len(normal_form(tree).coefficients) == 20_000
    assert outcome.value.tolist() == [10_000.0] * 3
    assert outcome.roundings == 20_001


def test_five_thousand_minus_signs_are_one_sign() -> None:
    assert parse_formula("-" * 5000 + "a") == Name("a")
    assert parse_formula("-" * 5001 + "a") == Negation(Name("a"))


WITHIN_LIMITS = {
    "parentheses": "(" * 59 + "a" + ")" * 59,
    "calls": "max(b, " * 59 + "a" + ")" * 59,
    "all operators": "-(" * 39 + "a" + ")**2*b/c + 1" * 39,
    "conditions": "where(step < 1, " * 29 + "a" + ", b)**2*b/c" * 29,
    "left sides": "where(" * 29 + "step" + " + 1 < 2, a, b)" * 29,
    "divisions": "a" + "/b" * 59,
    "broad": "*".join(["(a + b)"] * 2000),
    "powers": "(" * 50 + "9" + ")**8" * 50,
    "powers of sums": "(" * 50 + "a + b" + ")**8" * 50,
}


@pytest.mark.parametrize("case", WITHIN_LIMITS)
def test_nothing_within_the_limits_overflows_the_stack_or_hangs(case: str) -> None:
    start = time.perf_counter()
    tree = parse_formula(WITHIN_LIMITS[case])
    assert depth(tree) <= DEEPEST_TREE
    assert parse_formula(render(tree)) == tree
    arithmetic = Arithmetic()
    one = arithmetic.column(np.full(2, 0.5), np.zeros(2))
    evaluate(substitute(tree, {"c": Number(Fraction(2), "2")}), {"a": one, "b": one, "step": one},
             arithmetic)  # fmt: skip
    assert hash(normal_form(tree)) == hash(normal_form(parse_formula(render(tree))))
    assert time.perf_counter() - start < 3


def test_a_tree_that_is_too_deep_is_refused_though_its_parentheses_are_few() -> None:
    text = "(" * 40 + "a" + " + 1)" + "/b/b/b/b/b/b/b/b + 1)" * 39
    with pytest.raises(FormulaError, match="operations nested deeper than 200"):
        parse_formula(text)


def test_names_leave_out_families() -> None:
    tree = parse_formula("w*sum(`loss_*`, `!loss_scale`) + `a/b` + step")
    assert names(tree) == {"w", "a/b", "step"}
    assert families(tree) == (Family(("loss_*", "!loss_scale")),)


@pytest.mark.parametrize(
    ("members", "text"),
    [((), "2*0.0"), (("a",), "2*a"), (("a", "b/c"), "2*(a + `b/c`)")],
)
def test_families_become_the_sum_of_their_members(members: tuple[str, ...], text: str) -> None:
    tree = expand_families(parse_formula("2*sum(`*`)"), lambda _: members)
    assert render(tree) == text


def test_substitution_replaces_names_everywhere() -> None:
    tree = parse_formula("w*a + where(w < 1, w, b)**2")
    assert render(substitute(tree, {"w": Name("x y")})) == "`x y`*a + where(`x y` < 1, `x y`, b)**2"
