"""What other weights would do is right when it is recomputed from the rows."""

from __future__ import annotations

import numpy as np
import pytest
from test_measure import ROWS, STEP, A, B, C, assert_shares, evidence, measured, share_rows

from lossaudit.balance.measure import measure
from lossaudit.balance.what_if import parse_what_if
from lossaudit.errors import UsageError


def test_what_if_is_recomputed_on_the_rows() -> None:
    found = measured(
        "2*a + b - 0.5*c", "a=1,8", "c=-3", loss=2 * A + B - 0.5 * C, a=A, b=B, c=C, cut=77
    ).balance
    assert [(w.term, w.weight) for w in found.what_if] == [("a", 1.0), ("a", 8.0), ("c", -3.0)]
    for what_if, weighted in zip(
        found.what_if, [(A, B, 0.5 * C), (8 * A, B, 0.5 * C), (2 * A, B, 3 * C)], strict=True
    ):
        assert_shares(dict(what_if.shares), share_rows(*weighted))


@pytest.mark.parametrize("seed", range(20))
def test_equal_weights_of_two_terms_make_both_medians_a_half(seed: int) -> None:
    rng = np.random.default_rng(seed)
    u, v = (10 ** rng.uniform(-3, 3) for _ in range(2))
    a = np.exp(rng.normal(rng.uniform(-4, 4), rng.uniform(0.1, 1), ROWS))
    b = np.exp(rng.normal(0, 1, ROWS))
    found = measured(f"{u}*a - {v}*b", loss=u * a - v * b, a=a, b=b).balance.equal
    assert found is not None
    for w, x in ((found.alone["a"], v), (u, -found.alone["b"])):
        shares = share_rows(w * a, x * b)
        assert np.median(shares, axis=1) == pytest.approx([0.5, 0.5], abs=0.0012)
    assert (found.alone["a"] > 0, found.alone["b"] > 0) == (True, False)
    other = {"a": "b", "b": "a"}[found.keeps]
    assert found.weights[other] == found.alone[other]
    assert [s.p50 for s in found.shares.values()] == pytest.approx([0.5, 0.5], abs=0.0012)


@pytest.mark.parametrize("seed", range(10))
def test_equal_weights_of_many_terms_make_all_median_sizes_equal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    terms = {f"t{i}": np.exp(rng.normal(rng.uniform(-4, 4), 0.5, ROWS)) for i in range(5)}
    weights = {t: float(rng.choice([-2.0, 0.1, 3.0])) for t in terms}
    formula = " + ".join(f"({w})*{t}" for t, w in weights.items())
    loss = sum(weights[t] * terms[t] for t in terms)
    found = measured(formula, loss=np.asarray(loss), **terms).balance
    assert found.equal is not None
    medians = [np.median(abs(found.equal.weights[t]) * terms[t]) for t in terms]
    np.testing.assert_allclose(medians, medians[0], rtol=0.006)  # 0.3 % of a bin, twice
    assert {t: w > 0 for t, w in found.equal.weights.items()} == {
        t: w > 0 for t, w in weights.items()
    }
    kept = found.equal.keeps
    assert found.equal.weights[kept] == weights[kept]
    assert found.equal.alone == {}
    exact = share_rows(*(found.equal.weights[t] * terms[t] for t in terms))
    assert_shares(dict(found.equal.shares), exact)


def test_a_term_that_is_mostly_0_has_no_equal_weight_and_the_rest_has() -> None:
    late = np.where(STEP < 400, 0.0, A)
    equal = measured("a + b + c", loss=late + B + C, a=late, b=B, c=C).balance.equal
    assert equal is not None
    assert equal.left_out == ("a",)
    assert equal.weights["a"] == 1.0
    pair = measured("a + b", loss=late + B, a=late, b=B).balance
    assert pair.equal is None
    assert pair.ratios[0].p50 == 0.0


def test_sizes_that_no_weight_can_make_equal_overflow_nothing() -> None:
    columns = {"loss": np.ones(ROWS), "a": A * 1e300, "b": B * 1e-300}
    e = evidence("a + b", "loss=median:20", **columns)
    found = measure(e, parse_what_if(["a=1e300", "b=1e9"])).balance
    assert found.equal is None
    assert [len(w.shares) for w in found.what_if] == [0, 2]
    assert found.ratios[0].p50 == np.inf


@pytest.mark.parametrize(
    ("asked", "says"),
    [("lip=1", "has no term 'lip'"), ("a*b=1", "has no term 'a*b'"), ("1=2", "no term '1'")],
)
def test_a_question_about_no_term_is_refused(asked: str, says: str) -> None:
    with pytest.raises(UsageError, match="--what-if") as refused:
        measured("a + b", asked, loss=A + B, a=A, b=B)
    assert says in str(refused.value)
    assert "expected: a, b" in str(refused.value)


def test_a_term_may_be_named_without_backquotes_and_with_spaces() -> None:
    found = measured("`l/a`*b + c", "l/a * b = 2", loss=A * B + C, **{"l/a": A}, b=B, c=C).balance
    assert [w.term for w in found.what_if] == ["`l/a`*b"]


@pytest.mark.parametrize(
    "text", ["a", "=1", " = 1", "a=", "a=x", "a=nan", "a=inf", "a=1e999", "a=1_0", "a=1,,2", "a=٣"]
)
def test_what_is_no_question_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--what-if"):
        parse_what_if([text])


def test_questions_are_asked_once_and_not_without_end() -> None:
    asked = parse_what_if([" a = 1, 2.50", "a=1", "`b=c`=-3e-2"])
    assert [(q.term, q.weight) for q in asked] == [("a", 1.0), ("a", 2.5), ("`b=c`", -0.03)]
    with pytest.raises(UsageError, match="at most 64"):
        parse_what_if([f"a={','.join(map(str, range(65)))}"])
