"""The binary formats against torch and NumPy, bit for bit."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossaudit.numerics.formats import FORMATS, FloatFormat, gamma

FORMS = list(FORMATS.values())
TORCH = {name: getattr(torch, name) for name in FORMATS}


def each_format(function):
    return pytest.mark.parametrize("form", FORMS, ids=[f.name for f in FORMS])(function)


def cast(values: np.ndarray, form: FloatFormat) -> np.ndarray:
    """torch's rounding to the format, as float64."""
    return torch.from_numpy(values).to(TORCH[form.name]).to(torch.float64).numpy()


def awkward(form: FloatFormat) -> np.ndarray:
    """Ties, neighbours of ties, subnormals, the edge of overflow, both signs of zero."""
    generator = np.random.default_rng(3)
    low, high = form.smallest_exponent - form.significand_bits - 2, math.frexp(form.largest)[1]
    exponents = generator.integers(max(low, -1070), min(high, 1022), 4000)
    significands = 1 + generator.integers(0, 2**20, 4000) / 2.0**20  # float32 holds these
    values = np.ldexp(significands, exponents.astype(np.int32))
    ulp = form.ulp(values)
    grid = np.floor(values / ulp) * ulp
    with np.errstate(over="ignore"):
        ties = grid + ulp / 2
        near = np.nextafter(ties, np.inf), np.nextafter(ties, 0.0)
        eta, last = form.smallest_subnormal, form.largest
        edge = [0.0, eta, eta / 2, eta * 0.75, eta * 1.5, last, last * (1 + 2.0**-30)]
        edge.append(last + form.ulp(np.array([last]))[0] * 0.499)
        every = np.concatenate([values, grid, ties, *near, edge])
    return np.concatenate([every, -every])


@each_format
def test_nearest_rounds_as_torch_does(form: FloatFormat) -> None:
    values = awkward(form)
    if form.significand_bits < 24:  # torch rounds float64 to them through float32, so twice
        values = values[cast(values, FORMATS["float32"]) == values]
        assert len(values) > 8000
    ours, theirs = form.nearest(values), cast(values, form)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.signbit(ours), np.signbit(theirs))


@pytest.mark.parametrize(
    ("name", "dtype"), [("float16", np.float16), ("float32", np.float32), ("float64", np.float64)]
)
def test_ulp_is_numpys_spacing(name: str, dtype: type) -> None:
    form = FORMATS[name]
    stored = form.nearest(awkward(form))
    stored = stored[np.isfinite(stored) & (np.abs(stored) < form.largest)]
    np.testing.assert_array_equal(
        form.ulp(stored), np.spacing(np.abs(stored).astype(dtype)).astype(np.float64)
    )


def test_ulp_of_bfloat16_is_the_distance_to_the_next_number() -> None:
    bits = np.arange(0, 0x7F80, dtype=np.int32).astype(np.int16)  # every finite non-negative one
    numbers = torch.from_numpy(bits).view(torch.bfloat16).to(torch.float64).numpy()
    np.testing.assert_array_equal(FORMATS["bfloat16"].ulp(numbers)[:-1], np.diff(numbers))


@each_format
def test_ulp_of_what_is_no_number_is_no_number(form: FloatFormat) -> None:
    assert np.isnan(form.ulp(np.array([np.nan, np.inf, -np.inf]))).all()


@each_format
def test_nearest_and_holds_keep_nan_and_infinities(form: FloatFormat) -> None:
    values = np.array([np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(form.nearest(values), values)
    assert form.holds(values).all()


@each_format
def test_holds_exactly_the_numbers_of_the_format(form: FloatFormat) -> None:
    values = awkward(form)
    np.testing.assert_array_equal(form.holds(values), cast(values, form) == values)
    assert form.holds(values).any()
    if form.name != "float64":
        assert not form.holds(values).all()


@each_format
def test_overflow_gives_the_signed_infinity_as_torch_does(form: FloatFormat) -> None:
    beyond = np.array([form.largest * (1 + form.unit_roundoff)]) if form.name != "float64" else None
    if beyond is None:
        assert form.largest == np.finfo(np.float64).max
        return
    assert form.nearest(beyond)[0] == np.inf
    assert form.nearest(-beyond)[0] == -np.inf
    assert form.nearest(np.array([form.largest]))[0] == form.largest


@each_format
def test_constants_are_torchs(form: FloatFormat) -> None:
    known = torch.finfo(TORCH[form.name])
    assert form.unit_roundoff == known.eps / 2  # torch's eps is 2u
    assert form.largest == known.max
    assert 2.0**form.smallest_exponent == known.tiny
    assert form.smallest_subnormal == known.tiny * known.eps


def test_formats_are_listed_coarsest_first() -> None:
    assert [f.significand_bits for f in FORMS] == sorted(f.significand_bits for f in FORMS)


@given(st.floats(-1e30, 1e30), st.sampled_from(FORMS))
def test_rounding_is_within_u_relative_or_half_eta(value: float, form: FloatFormat) -> None:
    rounded = float(form.nearest(np.array([value]))[0])
    if math.isfinite(rounded):
        error = abs(Fraction(rounded) - Fraction(value))
        bound = Fraction(form.unit_roundoff) * abs(Fraction(value))
        assert error <= max(bound, Fraction(form.smallest_subnormal) / 2)


@given(st.integers(1, 5000), st.sampled_from(FORMS))
def test_gamma_is_highams_lemma_exactly(k: int, form: FloatFormat) -> None:
    u = Fraction(form.unit_roundoff)
    ours = float(gamma(k, form.unit_roundoff))
    if k * u >= 1:
        assert ours == math.inf
    else:
        exact = k * u / (1 - k * u)
        assert abs(Fraction(ours) - exact) <= exact * Fraction(2) ** -51


def test_gamma_of_rows_is_row_by_row() -> None:
    u = 2.0**-8
    np.testing.assert_array_equal(
        gamma(np.array([1.0, 255.0, 256.0, 1e9]), u),
        [u / (1 - u), 255 * u / (1 - 255 * u), np.inf, np.inf],
    )
