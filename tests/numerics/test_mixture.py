"""Columns that were written in two ways: the cautious reading holds the true value everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from msgspec.structs import replace

from lossaudit.model.table import Bools, Column, Floats, Storage
from lossaudit.numerics.constants import resolve_constants
from lossaudit.numerics.find_resolution import find_resolutions
from lossaudit.numerics.formats import FORMATS
from lossaudit.witnesses.columns import count_decimals
from tests.printed import (
    alike,
    bfloat16_number,
    fixed,
    float16_text,
    keras,
    resumed,
    round_to,
    significant,
    torch_tensor,
    tqdm_number,
)

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

THROUGH: dict[str, Write] = {
    "str(float16) then %.6f": resumed(float16_text, fixed(6), 12),
    "%.8f then str(float16)": resumed(fixed(8), float16_text, 30),
    "str(float16) then all digits": resumed(float16_text, repr, 20),
    "all digits then two of str(float16)": resumed(repr, float16_text, 38),
    "bfloat16 then %.6f": resumed(bfloat16_number, fixed(6), 20),
    "all digits but the first, a bfloat16": resumed(bfloat16_number, repr, 1),
}
"""Some values went through a narrow format before they were printed."""


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


@pytest.mark.parametrize("size", ["around one", "around a hundred"])
@pytest.mark.parametrize("style", THROUGH)
def test_values_that_went_through_a_narrow_format_keep_the_cautious_interval(
    style: str, size: str
) -> None:
    for seed in range(25):
        true = draw(size, 40, seed)
        column = column_of(THROUGH[style](true.tolist()), zeros_kept=False)
        cautious = find_resolutions(column)[True]
        assert outside(true, column, cautious.half_width(column.values, "float32")) == [], seed


@pytest.mark.parametrize("style", RESUMED | THROUGH)
def test_float32_storage_hides_no_way_of_printing(style: str) -> None:
    """An event file keeps what it was given, rounded or not, and so does a run that is resumed."""
    for seed in range(12):
        true = draw("around one", 40, seed)
        given = np.array((RESUMED | THROUGH)[style](true.tolist()), np.float64)
        stored = given.astype(np.float32).astype(np.float64)
        column = Column("x", stored, np.arange(len(stored)), "float32")
        cautious = find_resolutions(column)[True]
        assert outside(true, column, cautious.half_width(stored, "float32")) == [], seed


@pytest.mark.parametrize("storage", ["text", "float32"])
def test_the_likely_reading_believes_in_float16_that_many_values_show(storage: Storage) -> None:
    true = draw("around one", 60, 3)
    values = np.array(resumed(float16_text, repr, 40)(true.tolist()), np.float64)
    values = values.astype(np.float32).astype(np.float64) if storage == "float32" else values
    likely = find_resolutions(Column("x", values, np.arange(60), storage))[False]
    half = np.broadcast_to(likely.half_width(values, "float32"), true.shape)
    off = np.abs(values - true)
    assert (off <= half + np.spacing(true.astype(np.float32))).all()
    assert (half[40:] <= np.spacing(true[40:].astype(np.float32))).all()
    assert "float16" in likely.in_words()


def test_multiples_of_an_eighth_are_on_any_grid_and_no_group() -> None:
    values = np.round(draw("around one", 60, 3) * 8) / 8
    for reading in find_resolutions(column_of([f"{v:.6f}" for v in values.tolist()], True)):
        assert reading.mixture is None


def test_zeros_at_the_beginning_of_a_long_column_may_have_had_two_decimals() -> None:
    true = np.concatenate([np.full(1500, 0.003), draw("around one", 700, 3) / 1000])
    texts = resumed(round_to(2), round_to(6), 1500)(true.tolist())
    column = column_of(texts, zeros_kept=False)
    cautious = find_resolutions(column)[True]
    assert outside(true, column, cautious.half_width(column.values, "float32")) == []


def test_zeros_that_show_two_decimals_stand_for_them_in_a_long_column() -> None:
    true = draw("small", 2200, 3)
    texts = resumed(fixed(6), fixed(2), 1500)(true.tolist())
    column = column_of(texts, zeros_kept=True)
    cautious = find_resolutions(column)[True]
    half = np.broadcast_to(cautious.half_width(column.values, "float32"), true.shape)
    assert (half[column.values == 0] >= 0.005).all()


def test_zeros_everywhere_have_the_decimals_that_one_of_them_shows() -> None:
    cautious = find_resolutions(column_of(["0.00", "0.00", "0.0"], zeros_kept=True))[True]
    assert cautious.decimals == 2


def test_numbers_of_a_lattice_are_doubted_as_others_are() -> None:
    """`103` is the float16 nearest to 103.03, and 103.4 printed with three digits."""
    texts = [*map(float16_text, draw("around a hundred", 59, 3).tolist()), "103"]
    column = column_of(texts, zeros_kept=False)
    assert find_resolutions(column)[True].half_width(column.values, "float32")[-1] >= 0.5


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


def test_means_of_bfloat16_numbers_are_no_group() -> None:
    """A third of the means of three lie on a grid, here and there: they were not rounded to it."""
    three = draw("around one", 900, 3).astype(np.float32).reshape(300, 3)
    coarse = FORMATS["bfloat16"].nearest(three.astype(np.float64))
    means = coarse.mean(axis=1).astype(np.float32).astype(np.float64)
    for reading in find_resolutions(Column("x", means, np.arange(300))):
        ways = reading.mixture.ways if reading.mixture else ()
        assert not any(w.is_grid for w in ways)


def test_a_column_of_float16_is_on_its_grid_whether_printed_short_or_in_full() -> None:
    true = FORMATS["float16"].nearest(draw("around one", 600, 3))
    column = column_of(resumed(float16_text, repr, 200)(true.tolist()), zeros_kept=True)
    assert [r.grid for r in find_resolutions(column)] == ["float16", "float16"]
