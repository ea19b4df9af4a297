from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossaudit.balance.sizes import SizeHistogram

SIZES = st.floats(0, 1e30) | st.just(math.inf) | st.just(0.0) | st.floats(0.9, 1.1)


def histogram(values: list[float]) -> SizeHistogram:
    made = SizeHistogram()
    made.update(np.array(values, float))
    return made


@given(st.lists(SIZES, min_size=1, max_size=60), st.floats(0.001, 1))
def test_percentile_is_within_a_third_of_a_percent(values: list[float], q: float) -> None:
    exact = float(np.quantile(np.array(values), q, method="inverted_cdf"))
    near = [histogram(values).percentile(q - 1e-7), histogram(values).percentile(q + 1e-7)]
    assert any(f == pytest.approx(exact, rel=0.003, abs=1e-45) for f in near)


def test_equal_numbers_are_given_back_as_they_are() -> None:
    assert histogram([0.3] * 7).percentile(0.5) == 0.3
    assert histogram([1.0, 1.0]).percentile(0.05) == 1.0


def test_nothing_has_no_percentile_and_nan_is_not_counted() -> None:
    assert math.isnan(SizeHistogram().percentile(0.5))
    assert math.isnan(histogram([math.nan]).percentile(0.5))
    assert histogram([math.nan, 2.0]).percentile(0.5) == 2.0


def test_zeros_and_infinities_are_the_ends() -> None:
    made = histogram([0.0, 0.0, 5.0, math.inf])
    assert [made.percentile(q) for q in (0.1, 0.5, 0.7, 0.8)] == [0.0, 0.0, 5.0, math.inf]


def test_memory_is_bounded_whatever_the_numbers() -> None:
    made = histogram([5e-324, 1.0, 1.7e308])
    assert len(made.counts) <= 2 * 160 * 128 + 1
    assert made.percentile(0.1) >= 5e-324
    assert made.percentile(1.0) <= 1.7e308


@given(st.lists(SIZES, max_size=40), st.lists(SIZES, max_size=40))
def test_merging_is_counting_both(left: list[float], right: list[float]) -> None:
    merged, whole = histogram(left), histogram([*left, *right])
    merged.merge(histogram(right))
    assert [repr(merged.percentile(q / 10)) for q in range(11)] == [
        repr(whole.percentile(q / 10)) for q in range(11)
    ]
