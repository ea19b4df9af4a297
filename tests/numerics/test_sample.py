"""Columns in blocks are read as the same columns whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossaudit.model.log import Log
from lossaudit.model.table import Column, Storage, Table
from lossaudit.numerics.digits import fewest_decimals
from lossaudit.numerics.find_resolution import find_resolutions
from lossaudit.numerics.formats import FORMATS
from lossaudit.numerics.sample import grids_that_hold, take_sample

FORMS = ["%.3f", "%.6f", "%.4g", "%.8g", "%.17g", "%.0f", "%.3g"]


def drawn(seed: int) -> np.ndarray:
    """Numbers of a size and in a form that change midway in half of the columns."""
    rng = np.random.default_rng(seed)
    parts = []
    form, size = FORMS[rng.integers(7)], 10.0 ** rng.integers(-6, 10)
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.5:
            form, size = FORMS[rng.integers(7)], 10.0 ** rng.integers(-6, 10)
        values = rng.normal(size=int(rng.integers(1, 400))) * size
        if rng.random() < 0.2:
            values = values.astype(np.float32).astype(float)
        parts.append(np.array([float(form % v) for v in values]))
    values = np.concatenate(parts)
    values[rng.random(len(values)) < rng.choice([0, 0.1, 0.9])] = rng.choice([0.0, np.nan, 1.5])
    return values


@given(
    st.integers(0, 10**9),
    st.lists(st.integers(1, 900), max_size=4),
    st.sampled_from(["text", "float64", "float32", "float16"]),
    st.sampled_from([None, (0, 4), (3, 3), (-2, 5)]),
)
def test_blocks_are_read_as_the_whole(
    seed: int, cuts: list[int], storage: Storage, decimals: tuple[int, int] | None
) -> None:
    values = drawn(seed)
    if storage in ("float32", "float16"):
        with np.errstate(over="ignore"):
            values = values.astype(storage).astype(float)
    whole = Column("x", values, np.arange(len(values)), storage, decimals)
    log = Log("log")
    for part in np.split(values, sorted(c for c in cuts if c < len(values))):
        column = Column("x", part, np.arange(len(part)), storage, decimals)
        log.append(Table("log", {"x": column}, np.arange(len(part))))
    assert find_resolutions(log.columns["x"]) == find_resolutions(whole)


def test_large_numbers_of_few_decimals_follow_small_ones_of_many() -> None:
    assert fewest_decimals(np.array([0.12345678])) == 8
    assert fewest_decimals(np.array([123456789.5]), 8) == 8
    assert fewest_decimals(np.array([0.12345678, 123456789.5])) == 8
    long = np.concatenate([np.full(300, 123456789.5), [0.125]])
    assert fewest_decimals(long) == 3


@pytest.mark.parametrize("decimals", range(9))
@pytest.mark.parametrize("binade", range(-12, 18))
def test_grids_hold_what_is_within_half_a_decimal_of_them(decimals: int, binade: int) -> None:
    rng, width = np.random.default_rng(decimals), 0.5 * 10.0**-decimals
    values = np.round(rng.uniform(-1, 1, 500) * 2.0**binade, decimals)
    column = Column("x", values, np.arange(500))

    def half(some: np.ndarray) -> np.ndarray:
        return np.full(some.shape, width)

    found = grids_that_hold(column, take_sample(column), half, FORMATS["float64"])
    limit = width + 2 * np.spacing(np.abs(values))
    coarser = [f for f in FORMATS.values() if f.name != "float64"]
    assert found == [f for f in coarser if np.all(np.abs(f.nearest(values) - values) <= limit)]
