"""Certified weights of long logs: bounded memory, an outer bound, and where weights change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossaudit.closure.program import WeightRows
from lossaudit.closure.weight_fold import WeightFold
from lossaudit.closure.weights import certify


def rows_of(weights: np.ndarray, seed: int, decimals: int = 4) -> WeightRows:
    """One row for each row of weights, printed with so many decimals."""
    rng = np.random.default_rng(seed)
    half = 0.5 * 10.0**-decimals
    terms = np.round(rng.uniform(0.1, 1, weights.shape), decimals)
    true = terms + rng.uniform(-half, half, weights.shape)
    total = np.round((true * weights).sum(axis=1), decimals)
    count, size = weights.shape
    return WeightRows(
        total, terms, np.full(count, half), np.full(weights.shape, half), np.ones(size)
    )


def folded(rows: WeightRows, exact: int, size: int) -> WeightFold:
    fold = WeightFold(exact)
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        fold.update(rows.part(part), np.arange(len(rows))[part] * 10)
    return fold


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(20, 400))
def test_the_box_of_a_long_log_holds_the_exact_one_and_is_hardly_wider(
    seed: int, size: int, block: int
) -> None:
    weights = np.tile(np.random.default_rng(seed).uniform(0.1, 3, size), (3000, 1))
    rows = rows_of(weights, seed)
    exact = certify(rows)
    (found,) = folded(rows, 300, block).result()
    assert exact is not None
    assert (found.box.start, found.box.stop, found.box.complete) == (0, 3000, True)
    assert (found.first, found.last) == (0, 29_990)
    slack = 1e-9 + 1e-5 * (exact.high - exact.low)
    assert np.all(found.box.low <= exact.low + slack)
    assert np.all(found.box.high >= exact.high - slack)
    assert np.all(found.box.high - found.box.low <= 1.5 * (exact.high - exact.low) + 2 * slack)


def test_only_the_rows_that_bind_are_kept() -> None:
    fold = WeightFold(500)
    for start in range(0, 200_000, 1000):
        rows = rows_of(np.tile([2.0, 1.0], (1000, 1)), start)
        fold.update(rows, np.arange(start, start + 1000))
    assert fold._binding is not None
    assert len(fold._binding) < 1000
    assert not fold._rows


@pytest.mark.parametrize("change", [90, 1500, 2999])
@pytest.mark.parametrize("exact", [100, 100_000])
def test_a_weight_that_changes_ends_a_stretch_at_its_row(change: int, exact: int) -> None:
    weights = np.tile([2.0, 1.0], (3000, 1))
    weights[change:, 0] = 1.0
    found = folded(rows_of(weights, 4), exact, 250).result()
    assert [(s.box.start, s.box.stop) for s in found] == [(0, change), (change, 3000)]
    assert [s.first for s in found] == [0, change * 10]
    assert not any(s.box.complete for s in found)
    for stretch, weight in zip(found, (2.0, 1.0), strict=True):
        assert stretch.box.low[0] <= weight <= stretch.box.high[0]


def test_rows_that_nothing_fits_stop_the_search_and_not_the_program() -> None:
    rng = np.random.default_rng(0)
    fold = WeightFold(100)
    for start in range(0, 5000, 500):
        rows = rows_of(rng.uniform(0.1, 3, (500, 2)), start)
        fold.update(rows, np.arange(start, start + 500))
    assert 1 <= len(fold.result()) <= 13
    assert fold.count == 5000


def test_a_merged_fold_of_short_logs_is_exact() -> None:
    rows = rows_of(np.tile([2.0, 1.0], (600, 1)), 7)
    first, second = folded(rows.part(slice(0, 200)), 1000, 50), WeightFold(1000)
    second.update(rows.part(slice(200, None)), np.arange(200, 600) * 10)
    first.merge(second)
    (found,), exact = first.result(), certify(rows)
    assert exact is not None
    np.testing.assert_array_equal(found.box.low, exact.low)
    assert found.box.complete
