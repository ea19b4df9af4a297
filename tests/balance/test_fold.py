"""Both passes against plain arrays that hold every row, whole, in blocks, and merged."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossaudit.balance.census import Census
from lossaudit.balance.course import POINTS, CourseFold, Plan
from lossaudit.balance.ratios import all_pairs, pairs_with
from lossaudit.balance.terms import TermRows, WeightedTerms
from lossaudit.model.table import Floats
from lossaudit.spec.tree import Name

SIGN = {(True, False): "positive", (False, True): "negative", (True, True): "mixed"}


def terms_of(weights: Floats) -> WeightedTerms:
    names = tuple(f"t{i}" for i in range(len(weights)))
    return WeightedTerms(
        names, weights, tuple(map(Name, names)), {n: n for n in names}, frozenset()
    )


def random_rows(seed: int, count: int, rows: int) -> tuple[WeightedTerms, Floats]:
    """Terms over many powers of ten, with signs, zeros and a drift; no row is nothing but zeros."""
    rng = np.random.default_rng(seed)
    weights = 10 ** rng.uniform(-3, 3, count) * rng.choice([-1, 1, 1], count)
    values = np.exp(rng.normal(rng.uniform(-9, 9, (count, 1)), 1.0, (count, rows)))
    values *= np.linspace(1, rng.uniform(0.1, 10), rows)
    values *= np.where(rng.random((count, 1)) < 0.3, rng.choice([-1, 1], (count, rows)), 1)
    values[rng.random((count, rows)) < 0.1] = 0.0
    values[0, ~values.any(axis=0)] = 1.0
    return terms_of(weights), values


def folded(
    terms: WeightedTerms, values: Floats, plan: Plan, cuts: list[int]
) -> tuple[Census, CourseFold]:
    """One block for each stretch between cuts."""
    census, course = Census(terms, all_pairs(range(len(terms.names)))), CourseFold(terms, plan)
    for a, b in pairwise([0, *cuts, values.shape[1]]):
        census.update(TermRows(values[:, a:b], {"why": 1}))
        course.update(TermRows(values[:, a:b], {}))
    return census, course


def plan_for(terms: WeightedTerms, values: Floats, seed: int) -> Plan:
    rng = np.random.default_rng(seed)
    variants = [terms.weights * 10 ** rng.uniform(-1, 1, len(terms.names)) for _ in range(2)]
    return Plan(values.shape[1], pairs_with(0, range(len(terms.names))), variants)


@pytest.mark.parametrize("seed", range(40))
def test_everything_equals_what_plain_arrays_give(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, rows = int(rng.integers(1, 7)), int(rng.choice([1, 2, 9, 10, 11, 59, 61, 400, 1999]))
    terms, values = random_rows(seed, count, rows)
    plan = plan_for(terms, values, seed)
    cuts = sorted(rng.integers(0, rows + 1, 4).tolist())
    census, course = folded(terms, values, plan, cuts)
    sizes = np.abs(values * terms.weights[:, None])
    shares = sizes / sizes.sum(axis=0)
    assert census.rows == rows
    check_shares(census, shares)
    check_sizes(census, np.abs(values))
    check_ratios(census, course, np.abs(values))
    check_courses(census, course, shares, values * terms.weights[:, None])
    for variant, found in zip(plan.variants, course.shares, strict=True):
        other = np.abs(values * variant[:, None])
        means = [s.mean for s in found.result().values()]
        np.testing.assert_allclose(means, (other / other.sum(axis=0)).mean(axis=1), rtol=1e-12)


def lower(values: Floats, q: float) -> float:
    """The smallest value that is no smaller than a share q of all."""
    return float(np.quantile(values, q, method="inverted_cdf"))


def check_shares(census: Census, shares: Floats) -> None:
    for share, row in zip(census.shares.result().values(), shares, strict=True):
        assert share.mean == pytest.approx(row.mean(), rel=1e-12)
        for q, found in ((0.05, share.p05), (0.5, share.p50), (0.95, share.p95)):
            assert abs(found - lower(row, q)) <= 0.00026
    order = census.by_size()
    medians = [census.shares.result()[census.terms.names[i]].p50 for i in order]
    assert medians == sorted(medians, reverse=True)


def check_sizes(census: Census, sizes: Floats) -> None:
    for histogram, row in zip(census.sizes, sizes, strict=True):
        for q in (0.0, 0.05, 0.5, 0.95, 1.0):
            assert histogram.percentile(q) == pytest.approx(lower(row, max(q, 1e-9)), rel=0.003)


def check_ratios(census: Census, course: CourseFold, sizes: Floats) -> None:
    pairs = [*census.pairs, *course.plan.pairs]
    folds = [*census.ratios, *course.ratios]
    count = len(sizes)
    assert len(pairs) == (count * (count - 1) // 2 if count <= 4 else count - 1)
    for (i, j), fold in zip(pairs, folds, strict=True):
        found = fold.result("i", "j")
        said = (sizes[i] > 0) | (sizes[j] > 0)
        assert (found.below, found.rows) == (np.sum(sizes[i] < sizes[j]), np.sum(said))
        with np.errstate(divide="ignore"):
            ratios = sizes[i][said] / sizes[j][said]
        for q, value in ((0.05, found.p05), (0.5, found.p50), (0.95, found.p95)):
            assert value == pytest.approx(lower(ratios, q) if said.any() else np.nan, rel=0.003,
                                          nan_ok=True)  # fmt: skip


def check_courses(census: Census, course: CourseFold, shares: Floats, weighted: Floats) -> None:
    rows, tenth = shares.shape[1], -(-shares.shape[1] // 10)
    edges = np.arange(min(POINTS, rows) + 1) * rows // min(POINTS, rows)
    found = course.courses(census.signs())
    for i, c in enumerate(found.values()):
        points = [shares[i, a:b].mean() for a, b in pairwise(edges.tolist())]
        np.testing.assert_allclose(c.points, points, atol=1e-6)
        assert c.first_tenth == pytest.approx(shares[i, :tenth].mean(), rel=1e-12)
        assert c.last_tenth == pytest.approx(shares[i, -tenth:].mean(), rel=1e-12)
        ends = bool((weighted[i] > 0).any()), bool((weighted[i] < 0).any())
        assert c.sign == SIGN.get(ends, "zero")


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 700), st.data())
def test_merged_folds_equal_one(seed: int, count: int, rows: int, data: st.DataObject) -> None:
    terms, values = random_rows(seed, count, rows)
    plan = plan_for(terms, values, seed)
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=5)))
    census, course = folded(terms, values, plan, [])
    parts = list(pairwise([0, *cuts, rows]))
    merged, followed = Census(terms, census.pairs), CourseFold(terms, plan)
    for a, b in parts:
        own, ours = Census(terms, census.pairs), CourseFold(terms, plan, at=a)
        own.update(TermRows(values[:, a:b], {"why": 1}))
        ours.update(TermRows(values[:, a:b], {}))
        merged.merge(own)
        followed.merge(ours)
    assert merged.left_out == {"why": len(parts)}
    assert (merged.rows, followed.at) == (census.rows, course.at)
    assert merged.signs() == census.signs()
    for ours, whole in zip(merged.sizes, census.sizes, strict=True):
        assert [ours.percentile(q / 20) for q in range(21)] == [
            whole.percentile(q / 20) for q in range(21)
        ]
    for a, b in zip(
        [*merged.ratios, *followed.ratios], [*census.ratios, *course.ratios], strict=True
    ):
        assert repr(a.result("i", "j")) == repr(b.result("i", "j"))
    assert_same_shares(merged, census)
    for name, c in followed.courses(merged.signs()).items():
        other = course.courses(census.signs())[name]
        np.testing.assert_allclose(c.points, other.points, atol=2e-6)
        assert c.first_tenth == pytest.approx(other.first_tenth, rel=1e-12)


def assert_same_shares(ours: Census, whole: Census) -> None:
    for name, share in ours.shares.result().items():
        other = whole.shares.result()[name]
        assert (share.p05, share.p50, share.p95) == (other.p05, other.p50, other.p95)
        assert share.mean == pytest.approx(other.mean, rel=1e-12)
