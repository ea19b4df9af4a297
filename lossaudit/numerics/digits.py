"""How many decimals or significant digits numbers were written with, told from their values."""

from __future__ import annotations

import numpy as np

from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.formats import FloatFormat

MOST_DIGITS = 15
"""Any decimal of up to 15 digits survives a trip through float64, so it can be recognised there."""

_GLANCE = 256
"""Values looked at first: full-precision numbers show there that no number of digits will do."""

_FIRST_BINADE = -1073
_DECADES = np.floor(np.log10(np.ldexp(1.0, np.arange(_FIRST_BINADE, 1025) - 1)))
"""floor(log10) of the least number of each binade, by the exponent that `frexp` gives."""

_POWERS = np.array([float(f"1e{k}") for k in range(-323, 310)])
_NEXT_DECADES = _POWERS[(_DECADES + 324).astype(np.int64)]


def fewest_decimals(values: Floats, at_least: int = 0) -> int | None:
    """The least d >= `at_least` such that every value is a decimal of d digits after the point.

    Returns:
        None where no d up to 15 will do.
    """
    if len(values) > _GLANCE and fewest_decimals(values[:_GLANCE]) is None:
        return None
    fits = _has_decimals(values, at_least)
    if fits.all():
        return at_least
    pending = values[~fits]
    for decimals in range(MOST_DIGITS + 1):  # from 0: large numbers have too many digits beyond
        if not len(pending):
            break
        fits = _has_decimals(pending, decimals)
        if fits.any():
            at_least, pending = max(at_least, decimals), pending[~fits]
    return None if len(pending) else at_least


def _has_decimals(values: Floats, decimals: int) -> Bools:
    """Exact: n / 10**d is correctly rounded for |n| < 2**53 and d <= 22."""
    power = 10.0**decimals
    with np.errstate(over="ignore"):
        scaled = np.asarray(values * power)
    np.rint(scaled, out=scaled)
    fits = np.asarray(scaled / power == values)
    if len(scaled) and max(scaled.max(), -scaled.min()) >= 2.0**53:
        fits &= np.abs(scaled) < 2.0**53
    return fits


def fewest_digits(values: Floats, at_least: int = 1) -> int | None:
    """The least s >= `at_least` such that every value is a decimal of s significant digits.

    Returns:
        None where no s up to 15 will do.
    """
    pending = values[values != 0]
    if len(pending) > _GLANCE and fewest_digits(pending[:_GLANCE]) is None:
        return None
    for digits in range(at_least, MOST_DIGITS + 1):
        pending = pending[~_has_digits(pending, digits)]
        if not len(pending):
            return digits
    return None


def most_digits(largest: float, decimals: int | None) -> int:
    """The most significant digits that a decimal of so many places has, up to a size."""
    if decimals is None or largest == 0:
        return 0 if largest == 0 else MOST_DIGITS + 1
    return int(decades(np.array([largest]))[0]) + 1 + decimals


def is_tqdm(values: Floats) -> bool:
    """Whether each value that is no `%.3g` is one that tqdm prints in full, which is no longer.

    Source:
        tqdm's `format_num`: the shorter of the two texts, without zeros in the exponent.
    """
    for value in values[~_has_digits(values, 3)].tolist():
        short = f"{value:.3g}".replace("e+0", "e+").replace("e-0", "e-")
        if len(repr(value).removesuffix(".0")) > len(short):
            return False
    return True


def _has_digits(values: Floats, digits: int) -> Bools:
    shift = digits - 1 - decades(values)
    up, down = 10.0 ** np.clip(shift, 0, 22), 10.0 ** np.clip(-shift, 0, 22)
    fits = np.asarray(np.rint(values * up / down) / up * down == values)
    for i in np.flatnonzero(np.abs(shift) > 22):  # powers of ten are inexact there: ask the text
        fits[i] = float(f"{values[i]:.{digits - 1}e}") == values[i]
    return fits


def decades(values: Floats) -> Floats:
    """floor(log10 |v|), exact at powers of ten; 0 for zero."""
    magnitude = np.abs(values)
    place = np.frexp(magnitude)[1] - _FIRST_BINADE
    decade = _DECADES.take(place)
    decade += magnitude >= _NEXT_DECADES.take(place)
    decade[(magnitude == 0) | ~np.isfinite(magnitude)] = 0.0
    return decade


def last_places(values: Floats, most: int) -> Floats:
    """log10 of the unit of each value's last digit that is not zero: -2 for 0.25, 2 for 1200.

    Returns:
        Shape as given; infinity for zero, minus infinity for a number of more than `most` digits.
    """
    found = np.where(values == 0, np.inf, -np.inf)
    pending = np.flatnonzero((values != 0) & np.isfinite(values))
    decade = decades(values)
    for digits in range(1, most + 1):
        if not len(pending):
            break
        fits = _has_digits(values[pending], digits)
        found[pending[fits]] = decade[pending[fits]] - digits + 1
        pending = pending[~fits]
    return found


def digit_spacing(values: Floats, digits: int) -> Floats:
    """Spacing of decimals with that many significant digits at each value; 0 at zero."""
    safe = np.where(np.isfinite(values), values, 0.0)
    return np.where(safe == 0, 0.0, 10.0 ** (decades(safe) - digits + 1))


def decimals_before_storage(values: Floats, storage: FloatFormat, at_least: int = 0) -> int | None:
    """The least d >= `at_least` such that every value is a decimal of d digits, then stored."""
    pending = values
    for decimals in range(at_least, MOST_DIGITS + 1):
        power = 10.0**decimals
        with np.errstate(over="ignore"):
            pending = pending[storage.nearest(np.rint(pending * power) / power) != pending]
        if not len(pending):
            return decimals
    return None


def digits_before_storage(values: Floats, storage: FloatFormat, at_least: int = 1) -> int | None:
    """The least s such that every value is a decimal of s <= 6 digits, then stored."""
    pending = values[values != 0]
    for digits in range(at_least, 7):
        spacing = digit_spacing(pending, digits)
        with np.errstate(over="ignore", invalid="ignore"):
            pending = pending[storage.nearest(_round_to(pending, spacing)) != pending]
        if not len(pending):
            return digits
    return None


def shortest_decimals(values: Floats, storage: FloatFormat) -> Floats:
    """The decimals of fewest digits that are stored as these values, as a program would print them.

    Values that take more than nine digits stay as they are; so do NaN and infinities.
    """
    found = np.array(values, np.float64)
    pending = np.flatnonzero((found != 0) & np.isfinite(found))
    for digits in range(1, 10):
        if not len(pending):
            break
        with np.errstate(over="ignore", invalid="ignore"):
            near = _round_to(found[pending], digit_spacing(found[pending], digits))
            same = storage.nearest(near) == found[pending]
        found[pending[same]] = near[same]
        pending = pending[~same]
    return found


def _round_to(values: Floats, spacing: Floats) -> Floats:
    """Nearest multiples of powers of ten, divided by 10**k where that is exact."""
    inverse = np.rint(1 / spacing)
    return np.where(
        spacing < 1, np.rint(values * inverse) / inverse, np.rint(values / spacing) * spacing
    )


SHORTEST = {"float16": (range(4, 6), np.float16), "float32": (range(7, 10), np.float32)}
"""Formats whose numbers NumPy and torch print with the fewest digits that identify them, and how
many that takes. Numbers of fewer digits are coarser than the format."""


def shortest_format(sample: Floats, digits: int | None) -> str | None:
    """The format whose numbers, printed with the fewest digits that identify them, all values are.

    Args:
        sample: of the values.
        digits: the fewest significant digits that fit every value, or None.
    """
    sample = sample[:: max(1, len(sample) // 500)]
    for name, (counts, kind) in SHORTEST.items():
        if digits in counts:
            with np.errstate(over="ignore"):
                fits = all(float(str(kind(v))) == v for v in sample)
            return name if fits else None
    return None


def is_redundant(largest: float, decimals: int, digits: int | None) -> bool:
    """Whether significant digits are finer than the decimals at every value, so add nothing.

    Args:
        largest: of the values' sizes; where digits are finer at it they are finer everywhere.
    """
    if digits is None:
        return False
    return bool(digit_spacing(np.array([largest]), digits)[0] * 10.0**decimals <= 1 + 1e-9)
