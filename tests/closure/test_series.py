"""Thinning keeps the worst residuals and the order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lossaudit.closure.series import MOST_POINTS, Series, SeriesFold, thin


def series(residual: np.ndarray, start: int = 0, **more: np.ndarray) -> Series:
    count = len(residual)
    return Series({"step": np.arange(start, start + count, dtype=float), "residual": residual,
                   "tolerance": np.ones(count), **more})  # fmt: skip


def test_short_series_are_kept_whole() -> None:
    whole = thin([series(np.arange(100.0)), Series(), series(np.arange(100.0), 100)])
    assert whole.columns()["step"] == list(range(200))
    assert thin([]).columns() == {}
    assert len(thin([Series()])) == 0


@given(st.integers(MOST_POINTS + 1, 5000), st.integers(0, 10**6))
def test_the_worst_residual_of_each_bucket_is_kept_in_order(count: int, seed: int) -> None:
    residual = np.random.default_rng(seed).normal(size=count)
    kept = thin([series(residual)])
    steps = kept.values["step"].astype(int)
    assert len(kept) == MOST_POINTS
    assert np.all(np.diff(steps) > 0)
    np.testing.assert_array_equal(kept.values["residual"], residual[steps])
    edges = np.linspace(0, count, MOST_POINTS + 1).astype(int)
    worst = [np.abs(residual[a:b]).max() for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.abs(kept.values["residual"]), worst)


def folded(residual: np.ndarray, size: int) -> SeriesFold:
    fold = SeriesFold()
    for start in range(0, len(residual), size):
        fold.update(series(residual[start : start + size], start).values)
    return fold


@given(st.integers(1, 40_000), st.integers(100, 7000), st.integers(0, 10**6))
def test_a_long_log_is_shown_evenly_and_with_its_worst(count: int, size: int, seed: int) -> None:
    residual = np.random.default_rng(seed).normal(size=count)
    shown = folded(residual, size).result()
    steps = shown.values["step"].astype(int)
    np.testing.assert_array_equal(shown.values["residual"], residual[steps])
    assert len(steps) <= MOST_POINTS
    assert np.abs(residual).argmax() in steps
    if count > MOST_POINTS:
        gaps = np.diff([0, *steps, count - 1])
        assert gaps.min() >= 0
        assert gaps.max() <= 8 * count / MOST_POINTS  # no stretch of the log is left out


def test_folds_that_are_merged_show_both_halves() -> None:
    residual = np.random.default_rng(1).normal(size=30_000)
    first, second = folded(residual[:5000], 500), SeriesFold()
    second.update(series(residual[5000:], 5000).values)
    first.merge(second)
    steps = first.result().values["step"].astype(int)
    assert np.all(np.diff(steps) > 0)
    assert np.abs(residual).argmax() in steps
    assert np.sum(steps < 5000) >= 10


def test_it_is_the_excess_that_counts_and_nan_is_worst() -> None:
    residual, tolerance = np.full(480, 1.0), np.full(480, 1.0)
    residual[1] = 5.0
    tolerance[1] = 100.0
    residual[3] = np.nan
    kept = thin([Series({"step": np.arange(480.0), "residual": residual, "tolerance": tolerance})])
    assert kept.values["step"][:2].tolist() == [0.0, 3.0]


def test_columns_that_a_stretch_lacks_are_left_out() -> None:
    both = thin([series(np.ones(3), a=np.ones(3)), series(np.ones(2), 3)])
    assert sorted(both.values) == ["residual", "step", "tolerance"]
    assert len(both) == 5
