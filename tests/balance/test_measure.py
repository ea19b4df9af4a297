"""From a log to its balance: what counts, and that every answer is right when it is recomputed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from lossaudit.balance.measure import Measured, measure
from lossaudit.balance.what_if import parse_what_if
from lossaudit.closure.examine import LogEvidence, examine
from lossaudit.model.balance import Balance, Share
from lossaudit.model.log import Log
from lossaudit.model.table import Column, Floats, Table
from lossaudit.spec.load import load_spec, spec_from_formula
from lossaudit.spec.overrides import override
from lossaudit.witnesses.log import read_log

RUNS = Path(__file__).parent.parent.parent / "fixtures" / "musetalk-tiny" / "runs"
ROWS = 501  # odd: there is one median
RNG = np.random.default_rng(11)
STEP = np.arange(ROWS, dtype=float)
A, B, C, D, E = (np.exp(RNG.normal(m, 0.5, ROWS)) for m in (-2.0, -1.0, 0.0, -3.0, -1.5))


def evidence(formula: str, *aggregates: str, cut: int = 0, **columns: Floats) -> LogEvidence:
    """Of a log in one stretch, or in several of `cut` records."""
    whole = {"step": STEP, **columns}
    edges = [*range(0, ROWS, cut or ROWS), ROWS]
    tables = []
    for a, b in pairwise(edges):
        parts = {
            t: Column(t, v[a:b][~np.isnan(v[a:b])], np.flatnonzero(~np.isnan(v[a:b])), "float64")
            for t, v in whole.items()
        }
        tables.append(Table("log", parts, np.arange(a + 1, b + 1)))
    spec = override(spec_from_formula(f"loss = {formula}"), aggregates=aggregates)
    return examine(spec, Log.of(*tables))


def measured(formula: str, *what_if: str, cut: int = 0, **columns: Floats) -> Measured:
    return measure(evidence(formula, cut=cut, **columns), parse_what_if(what_if))


def share_rows(*weighted: Floats) -> Floats:
    sizes = np.abs(np.array(weighted))
    return sizes / sizes.sum(axis=0)


def assert_shares(found: dict[str, Share], expected: Floats) -> None:
    for share, row in zip(found.values(), expected, strict=True):
        assert share.mean == pytest.approx(row.mean(), rel=1e-9)
        assert share.p50 == pytest.approx(np.quantile(row, 0.5, method="inverted_cdf"), abs=0.0003)


def test_shares_are_those_of_check_bit_for_bit() -> None:
    for run in ("main", "bf16", "resumed", "accumulation"):
        read = read_log(str(RUNS / run / "log.jsonl"))
        e = examine(load_spec("musetalk-v1"), read.log)
        assert e.outcome is not None
        assert measure(e).shares == e.outcome.shares


FORMULAS = {
    "2*a - 0.1*b": 2 * A - 0.1 * B,
    "(a + b)*(c - 3) + d**2": (A + B) * (C - 3) + D**2,
    "where(step < 200, 0.5, 1)*a + min(1, step/100)*b + c": (
        np.where(STEP < 200, 0.5, 1.0) * A + np.minimum(1, STEP / 100) * B + C
    ),
    "max(a, b) + exp(-c)*d + sqrt(e) + 0.5": np.maximum(A, B) + np.exp(-C) * D + np.sqrt(E) + 0.5,
    "a/(2*b) + a*b*c": A / (2 * B) + A * B * C,
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_shares_of_any_formula_are_those_of_check_bit_for_bit(formula: str) -> None:
    e = evidence(formula, cut=123, loss=FORMULAS[formula], a=A, b=B, c=C, d=D, e=E)
    assert e.outcome is not None
    assert (e.outcome.declared.decided, e.outcome.declared.refuted) == (ROWS, 0)
    assert measure(e).shares == e.outcome.shares


def test_ratios_answer_which_term_is_below_the_other() -> None:
    ratios = measured("2*a + b", loss=2 * A + B, a=A, b=B).balance.ratios
    (ratio,) = ratios
    assert (ratio.numerator, ratio.denominator, ratio.rows) == ("a", "b", ROWS)
    assert ratio.below == np.sum(A < B)
    assert ratio.p50 == pytest.approx(np.median(A / B), rel=0.01)


def test_four_terms_are_compared_in_pairs_and_five_with_the_largest() -> None:
    four = measured("a + b + c + d", loss=A + B + C + D, a=A, b=B, c=C, d=D)
    assert len(four.balance.ratios) == 6
    five = measured("a + b + c + d + e", loss=A + B + C + D + E, a=A, b=B, c=C, d=D, e=E)
    assert {r.denominator for r in five.balance.ratios} == {"c"}
    assert [r.numerator for r in five.balance.ratios] == ["a", "b", "d", "e"]


def test_musetalks_recipe_holds_on_its_run() -> None:
    """The pixel loss is below the latent loss, and 2.0 brings both to the same size."""
    read = read_log(str(RUNS / "main" / "log.jsonl"))
    found = measure(examine(load_spec("musetalk-v1"), read.log)).balance
    (ratio,) = found.ratios
    assert (ratio.numerator, ratio.denominator) == ("loss_lip", "loss_latents")
    assert (ratio.below, ratio.rows) == (400, 400)
    assert found.equal is not None
    assert found.equal.alone["loss_lip"] == pytest.approx(1.957, abs=0.01)
    assert found.courses["loss_lip"].trend == "rising"
    assert found.courses["loss_latents"].trend == "falling"


def test_logged_and_scheduled_weights_count_with_their_value_on_the_row() -> None:
    warm = np.where(STEP < 200, 0.0, 1.0)
    ramp = np.minimum(1.0, STEP / 100)
    loss = warm * A + ramp * B + C * D + np.maximum(A, B)
    formula = "where(step < 200, 0, 1)*a + min(1, step/100)*b + c*d + max(a, b)"
    found = measured(formula, loss=loss, a=A, b=B, c=C, d=D)
    assert_shares(dict(found.shares), share_rows(warm * A, ramp * B, C * D, np.maximum(A, B)))
    assert list(found.shares)[2:] == ["c*d", "max(a, b)"]
    assert found.balance.courses[next(iter(found.shares))].first_tenth == 0.0


def test_a_constant_has_a_share_and_is_compared_with_nothing() -> None:
    found = measured("a + b + 0.25", loss=A + B + 0.25, a=A, b=B)
    assert list(found.shares) == ["a", "b", "1"]
    assert_shares(dict(found.shares), share_rows(A, B, np.full(ROWS, 0.25)))
    assert [(r.numerator, r.denominator) for r in found.balance.ratios] == [("a", "b")]
    assert found.balance.equal is not None
    assert found.balance.equal.alone == {}
    assert found.balance.equal.weights["1"] == 0.25


def test_one_term_is_the_whole_and_has_no_rival() -> None:
    found = measured("3*a", "a=0", loss=3 * A, a=A).balance
    assert found.courses["a"].trend == "flat"
    assert (found.ratios, found.equal) == ((), None)
    assert found.what_if[0].shares == {}


def test_signs() -> None:
    mixed = np.where(STEP % 2, 1.0, -1.0) * B
    loss = A - 0.1 * C + mixed
    courses = measured("a - 0.1*c + b", loss=loss, a=A, b=mixed, c=C).balance.courses
    assert {t: c.sign for t, c in courses.items()} == {
        "a": "positive",
        "c": "negative",
        "b": "mixed",
    }


def test_rows_that_do_not_count_are_counted_by_their_reason() -> None:
    a, b = A.copy(), B.copy()
    a[:7], b[3:5] = np.nan, np.inf
    b[20], b[30:32] = np.inf, 0.0
    a[30:32] = 0.0
    found = measured("a + b", loss=A + B, a=a, b=b, cut=13).balance
    assert found.left_out == {
        "a term is missing from the row": 7,
        "a term is not finite": 1,
        "every term is 0": 2,
    }
    assert found.rows == ROWS - 10


def test_an_infinite_factor_does_not_hide_behind_a_finite_product() -> None:
    b = B.copy()
    b[9] = np.inf
    found = measured("a/b + c", loss=A / B + C, a=A, b=b, c=C).balance
    assert found.left_out == {"a term is not finite": 1}


def test_a_repeated_step_that_cannot_be_paired_does_not_count() -> None:
    """Tags with records of their own; step 1 has two totals and one value of `a`."""
    tags = ["loss", "a", "b"]
    records = [*((s, t) for s in range(4) for t in tags), (1, "loss"), (1, "b")]
    columns = {}
    for k, tag in enumerate(tags):
        at = np.array([i for i, (_, t) in enumerate(records) if t == tag])
        columns[tag] = Column(tag, np.full(len(at), k + 1.0), at, "float64")
    steps = np.array([s for s, _ in records])
    table = Table("events", columns, np.arange(len(records)), "byte", steps)
    found = measure(examine(spec_from_formula("loss = a + b"), Log.of(table))).balance
    assert found.left_out == {"a repeated step cannot be paired": 2}
    assert found.rows == 3


def test_rows_count_without_a_total_that_is_finite() -> None:
    loss = A + B
    loss[::2] = np.inf
    assert measured("a + b", loss=loss, a=A, b=B).balance.rows == ROWS


def test_medians_are_weighed_with_a_caution() -> None:
    e = evidence("a + b", "loss=median:20", loss=A + B, a=A, b=B)
    assert e.outcome is None
    found = measure(e).balance
    assert found.rows == ROWS
    assert "medians do not add up" in found.cautions[0]


def test_a_refuted_formula_is_a_caution() -> None:
    found = measured("2*a + b", loss=A + 2 * B, a=A, b=B).balance
    assert found.cautions == (
        "501 of 501 decided rows refute the formula: these are the shares of the declared "
        "weights, not of those that were trained",
    )
    assert measured("2*a + b", loss=2 * A + B, a=A, b=B).balance.cautions == ()


@pytest.mark.parametrize("formula", ["a + b", "where(step < 9, 0, 1)*a"])
def test_without_every_term_nothing_is_measured(formula: str) -> None:
    found = measured(formula, loss=A, b=B)
    assert found == Measured(Balance())


def test_more_terms_than_are_weighed_are_said() -> None:
    terms = {f"t{i}": A for i in range(41)}
    found = measured(" + ".join(terms), loss=41 * A, **terms).balance
    assert found.cautions == ("the formula has 41 terms; up to 40 are weighed",)
    fewer = dict(list(terms.items())[:40])
    assert measured(" + ".join(fewer), loss=40 * A, **fewer).balance.rows == ROWS


def test_the_limit_of_the_spec_is_kept() -> None:
    e = evidence("a + b", loss=A + B, a=A, b=B)
    limited = replace(e, spec=replace(e.spec, max_share=0.7))
    assert measure(limited).balance.max_share == 0.7
    assert measure(e).balance.max_share is None


def test_stretches_of_a_log_change_nothing_but_last_digits() -> None:
    columns = {"loss": 2 * A + B, "a": A, "b": B}
    whole, parts = (measured("2*a + b", "a=3", cut=c, **columns) for c in (0, 7))
    assert whole.balance.ratios == parts.balance.ratios
    assert whole.balance.equal is not None
    assert parts.balance.equal is not None
    assert whole.balance.equal.weights == parts.balance.equal.weights
    assert whole.balance.courses["a"].trend == parts.balance.courses["a"].trend
