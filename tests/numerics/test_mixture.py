"""Columns that were written in two ways: the cautious reading holds the true value everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from msgspec.structs import replace

from lossaudit.model.table import Bools, Column, Floats
from lossaudit.numerics.constants import resolve_constants
from lossaudit.numerics.find_resolution import find_resolutions
from lossaudit.witnesses.columns import count_decimals
from tests.printed import alike, fixed, keras, resumed, significant, torch_tensor, tqdm_number

Write = Callable[[Sequence[float]], list[str]]

SIZES = {
    "decades": (1e-7, 1e2),
    "small": (1e-6, 1e-2),
    "around the switch": (2e-4, 5e-3),
    "around one": (0.02, 30.0),
    "around a hundred": (5.0, 3000.0),
}

SWITCHING: dict[str, Write] = {"keras": alike(keras), "torch": alike(torch_tensor)}

RESUMED: dict[str, Write] = {
    **{
        f"%.{a}f then %.{b}f after {split}": resumed(fixed(a), fixed(b), split)
        for a, b in ((4, 6), (6, 4), (3, 5), (4, 8))
        for split in (0, 2, 4, 20, 36, 38)
    },
    **{
        f"%.4g then %.6f after {split}": resumed(significant(4), fixed(6), split)
        for split in (0, 4, 20)
    },
    **{
        f"%.6f then %.4g after {split}": resumed(fixed(6), significant(4), split)
        for split in (20, 36)
    },
    **{
        f"%.{d}f then all digits after {split}": resumed(fixed(d), repr, split)
        for d, split in ((4, 1), (4, 6), (4, 20), (3, 39))
    },
    **{
        f"all digits then %.{d}f after {split}": resumed(repr, fixed(d), split)
        for d, split in ((3, 39), (4, 38), (4, 20))
    },
}


def draw(size: str, count: int, seed: int) -> Floats:
    low, high = SIZES[size]
    return np.exp(np.random.default_rng(seed).uniform(np.log(low), np.log(high), count))


def column_of(texts: list[str], zeros_kept: bool) -> Column:
    """A column as a text or CSV reader gives it, or as JSON does, which shows no zeros."""
    shown = [d for t in texts if (d := count_decimals(t)) is not None]
    decimals = (min(shown), max(shown)) if zeros_kept else None
    return Column("x", np.array(texts, np.float64), np.arange(len(texts)), "text", decimals)


def column_part(column: Column, chosen: Bools) -> Column:
    return replace(column, values=column.values[chosen], records=column.records[chosen])


def outside(true: Floats, column: Column, half: Floats) -> list[tuple[float, float, float]]:
    """Values whose interval misses the true value; reading a decimal costs half an ulp."""
    every = zip(
        true.tolist(),
        column.values.tolist(),
        np.broadcast_to(half, true.shape).tolist(),
        strict=True,
    )
    return [
        (t, w, h)
        for t, w, h in every
        if abs(Fraction(t) - Fraction(w)) > Fraction(h) + Fraction(float(np.spacing(abs(w)))) / 2
    ]


@pytest.mark.parametrize("zeros_kept", [True, False])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("style", SWITCHING)
def test_writers_that_switch_by_size_never_leave_the_cautious_interval(
    style: str, size: str, zeros_kept: bool
) -> None:
    for seed, count in enumerate([3, 8, 20, 60, 250, 1000] * 8):
        true = draw(size, count, seed).astype(np.float32).astype(np.float64)
        column = column_of(SWITCHING[style](true.tolist()), zeros_kept)
        cautious = find_resolutions(column)[True]
        assert outside(true, column, cautious.half_width(column.values, "float32")) == [], seed


@pytest.mark.parametrize("zeros_kept", [True, False])
@pytest.mark.parametrize("size", ["around one", "around the switch", "around a hundred"])
@pytest.mark.parametrize("style", RESUMED)
def test_resumed_runs_never_leave_the_cautious_interval(
    style: str, size: str, zeros_kept: bool
) -> None:
    for seed in range(25):
        true = draw(size, 40, seed)
        column = column_of(RESUMED[style](true.tolist()), zeros_kept)
        cautious = find_resolutions(column)[True]
        assert outside(true, column, cautious.half_width(column.values, "float32")) == [], seed


@pytest.mark.parametrize("zeros_kept", [True, False])
def test_a_short_column_of_tqdms_is_never_taken_for_finer_than_it_is(zeros_kept: bool) -> None:
    """`1006.0`, in full since that is no longer than `1.01e+3`, beside numbers of three digits."""
    for seed, count in enumerate([2, 3, 4, 6] * 40):
        true = draw("around a hundred", count, seed)
        true[seed % count] = float(np.rint(true[seed % count]))
        column = column_of([tqdm_number(v) for v in true.tolist()], zeros_kept)
        cautious = find_resolutions(column)[True]
        assert outside(true, column, cautious.half_width(column.values, "float32")) == [], seed


def test_one_round_number_among_numbers_in_full_is_a_constant_but_at_an_end() -> None:
    values = draw("around one", 200, 3)
    values[120] = 0.125
    likely, cautious = find_resolutions(Column("x", values, np.arange(200)))
    assert (likely.mixture, cautious.mixture) == (None, None)
    values[199] = 0.25
    likely, cautious = find_resolutions(Column("x", values, np.arange(200)))
    assert likely.mixture is None
    half = cautious.half_width(values, "float64")
    assert half[[120, 199]].tolist() == pytest.approx([0.5e-3, 0.5e-2])
    assert np.count_nonzero(half) == 2


def test_a_column_of_the_same_decimals_everywhere_is_not_doubted() -> None:
    """Sharp: a text that shows its zeros leaves nothing open, so one wrong row can be refuted."""
    texts = [f"{v:.4f}" for v in draw("around one", 60, 1).tolist()] + ["0.5000", "0.0000"]
    cautious = find_resolutions(column_of(texts, zeros_kept=True))[True]
    assert cautious.half_width(np.array([0.5, 0.0]), "float32").max() == pytest.approx(0.5e-4)


def test_what_is_doubted_has_an_end() -> None:
    """Sharp: no value is granted less than a decimal or two digits, whichever is coarser."""
    values = np.array([3.0, 1200.0, 0.25, 0.1234, 5.4321])
    half = find_resolutions(Column("x", values, np.arange(5)))[True].half_width(values, "float32")
    assert half.tolist() == pytest.approx([0.05, 50.0, 0.005, 0.5e-4, 0.5e-4])


@pytest.mark.parametrize("size", ["small", "around the switch", "around one"])
def test_zeros_at_the_end_may_be_small_numbers_of_a_coarser_way(size: str) -> None:
    for seed in range(40):
        true = np.sort(draw(size, 12, seed))[::-1]
        texts = resumed(fixed(6), lambda v: repr(round(v, 4)), 4 + seed % 8)(true.tolist())
        column = column_of(texts, zeros_kept=False)
        zero = (column.values == 0) & (true < 5e-4)
        if not zero.any() or np.abs(column.values).max() > 0.05:
            continue
        half = find_resolutions(column)[True].half_width(column.values, "float32")
        assert outside(true[zero], column_part(column, zero), half[zero]) == [], seed


@pytest.mark.parametrize("style", SWITCHING)
def test_the_likely_reading_believes_in_two_ways_that_many_values_show(style: str) -> None:
    true = draw("decades", 400, 1).astype(np.float32).astype(np.float64)
    column = column_of(SWITCHING[style](true.tolist()), zeros_kept=True)
    likely = find_resolutions(column)[False]
    assert "4 decimals" in likely.in_words()
    assert outside(true, column, likely.half_width(column.values, "float32")) == []


def test_a_group_widens_no_other_value() -> None:
    """Sharp: values with more digits than the coarser way keep the finer one's half-width."""
    true = draw("around one", 400, 2)
    column = column_of(resumed(fixed(4), fixed(6), 200)(true.tolist()), zeros_kept=True)
    for reading in find_resolutions(column):
        half = reading.half_width(column.values, "float64")
        assert np.all(half[:200] >= 0.5e-4)
        fine = np.abs(column.values * 1e4 - np.rint(column.values * 1e4)) > 1e-6
        assert np.sum(fine) > 150
        assert np.all(half[fine] <= 0.5e-5)  # a last zero may be one of five decimals
    assert np.median(half[200:]) == pytest.approx(0.5e-6)


def test_zeros_beside_a_column_of_two_ways_take_the_coarser_one_with_caution() -> None:
    texts = resumed(fixed(4), fixed(6), 20)(draw("around one", 40, 1).tolist())
    beside = find_resolutions(column_of(texts, zeros_kept=True))[True]
    zeros = find_resolutions(column_of(["0.0000"] * 20 + ["0.000000"] * 20, zeros_kept=True))[True]
    settled = resolve_constants([zeros, beside], cautious=True)[0]
    assert settled.half_width(np.zeros(1), "float32")[0] == pytest.approx(0.5e-4)
