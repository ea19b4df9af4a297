"""The plain numbers of an interval: decimals of up to three digits, and ratios of small numbers.

People write weights as plain numbers. An interval that holds just one of them tells the weight;
one that holds several does not.
"""

from __future__ import annotations

import math
from fractions import Fraction

from msgspec import Struct

from lossaudit.numerics.simplest import digits_of, simplest_number

PLAIN_DIGITS = 3
"""Significant digits of a plain decimal number."""

LARGEST_PART = 12
LARGEST_DIVISOR = 64
"""Ratios p/q have p and q up to 12; those of 1 have divisors up to 64."""

MOST_FOUND = 40

KNOWN_WELL = 1e-5
"""Relative width of an interval that tells five digits: enough for a number that is not plain."""

FEW_DECADES = 3
"""Powers of ten beyond which an interval holds too many plain numbers to look at all of them."""


class Reading(Struct, frozen=True):
    """What an interval says of a weight.

    Attributes:
        value: the simplest number in it.
        text: as a formula writes it; a ratio as p/q.
        others: the next plain numbers in it, simplest first; none where the weight is settled.
        settled: whether the interval tells the weight.
        chance: how many numbers as simple as this an interval of that width holds on average;
            below 1 that one is in it says something.
    """

    value: Fraction
    text: str
    others: tuple[Fraction, ...]
    settled: bool
    chance: float


def read_interval(low: float, high: float) -> Reading:
    """The simplest number of an interval that does not hold 0, and whether it is the only one.

    Args:
        low, high: finite, of one sign, low <= high.

    Example:
        >>> read_interval(1.9998, 2.0003).text, read_interval(0.33333, 0.333335).text
        ('2', '1/3')
    """
    if low < 0:
        mirrored = read_interval(-high, -low)
        negated = tuple(-o for o in mirrored.others)
        text = f"-{mirrored.text}"
        return Reading(-mirrored.value, text, negated, mirrored.settled, mirrored.chance)
    plain = sorted(plain_numbers(low, high), key=complexity)
    if not plain:
        value = Fraction(repr(simplest_number(low, high)))
        settled = high - low <= KNOWN_WELL * low
        return Reading(value, plain_text(value), (), settled, _chance(low, high, value))
    first, *others = plain
    return Reading(first, plain_text(first), tuple(others), not others, _chance(low, high, first))


def plain_numbers(low: float, high: float) -> set[Fraction]:
    """The plain numbers of a positive interval; of a wide one those of fewest digits."""
    ends = Fraction(low), Fraction(high)
    decades = math.log10(high) - math.log10(low)
    for digits in range(1 if decades > FEW_DECADES else PLAIN_DIGITS, 0, -1):
        found = _decimals(*ends, digits)
        if len(found) <= MOST_FOUND or digits == 1:
            break
    return found | _ratios(*ends)


def complexity(number: Fraction) -> tuple[int, int, float]:
    """What sorts numbers from simple to less simple; 1 comes first."""
    size = abs(number)
    if size == 1:
        return 0, 0, 0.0
    digits = digits_of(float(size))
    if digits > PLAIN_DIGITS:
        digits = len(str(size.numerator)) + len(str(size.denominator)) - 1
    leading = float(f"{float(size):.0e}".split("e")[0])
    return digits, int(leading not in (1, 2, 5)), abs(math.log(float(size)))


def plain_text(number: Fraction) -> str:
    """A number as formulas write it: `0.25`, `1e-05`, `347`, or `1/3`."""
    decimal = float(number)
    if Fraction(repr(decimal)) != number:
        return f"{number.numerator}/{number.denominator}"
    if number.denominator == 1 and abs(number) < 10**6:
        return str(number.numerator)
    return repr(decimal)


def _decimals(low: Fraction, high: Fraction, digits: int) -> set[Fraction]:
    """The numbers of up to that many significant digits; no more than a few beyond MOST_FOUND."""
    found: set[Fraction] = set()
    first = math.floor(math.log10(low))
    for exponent in range(first - 1, math.floor(math.log10(high)) + 2):
        unit = Fraction(10) ** (exponent - digits + 1)
        start = max(-(-low // unit), 10 ** (digits - 1))
        stop = min(high // unit, 10**digits)
        for count in range(int(start), int(stop) + 1):
            found.add(count * unit)
            if len(found) > MOST_FOUND:
                return found
    return found


def _ratios(low: Fraction, high: Fraction) -> set[Fraction]:
    found: set[Fraction] = set()
    for divisor in range(1, LARGEST_DIVISOR + 1):
        most = LARGEST_PART if divisor <= LARGEST_PART else 1
        start, stop = max(-(-low * divisor // 1), 1), min(high * divisor // 1, most)
        found |= {Fraction(part, divisor) for part in range(int(start), int(stop) + 1)}
    return found


def _chance(low: float, high: float, number: Fraction) -> float:
    """Expected count of numbers of that many digits in an interval of that width."""
    digits = max(1, complexity(number)[0])
    exponent = math.floor(math.log10(abs(float(number))))
    return min(1.0, (high - low) / 10.0 ** (exponent - digits + 1))
