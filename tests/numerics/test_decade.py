"""The decade of a number is that of its exact decimal expansion."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import example, given
from hypothesis.strategies import floats

from lossaudit.numerics.digits import decades


@given(floats(1e-300, 1e300))
@example(1.0)
@example(9.999999999999998)
@example(0.1)
@example(1e22)
@example(1e-5)
@example(5e-324)
@example(1.7976931348623157e308)
def test_it_is_the_adjusted_exponent_of_the_decimal(value: float) -> None:
    near = decades(np.array([value, -value]))
    shown = Decimal(repr(value)).adjusted()  # 0.1 is a decimal of its own decade, whatever its bits
    assert near.tolist() == [shown, shown]


def test_powers_of_ten_are_exact() -> None:
    powers = np.array([float(f"1e{k}") for k in range(-307, 309)])
    assert decades(powers).tolist() == list(range(-307, 309))
    assert decades(np.nextafter(powers, 0)).tolist() == list(range(-308, 308))


def test_zero_and_what_is_not_finite_have_none() -> None:
    assert decades(np.array([0.0, -0.0, np.inf, -np.inf, np.nan])).tolist() == [0.0] * 5
