"""The simplest number of an interval: the one with the fewest significant decimal digits."""

from __future__ import annotations

import math

MOST = 17


def simplest_number(low: float, high: float) -> float:
    """The number of fewest significant digits in [low, high]; of several the one in the middle.

    Args:
        low, high: finite, low <= high.

    Example:
        >>> simplest_number(1.9998, 2.0003), simplest_number(0.7496, 0.7534)
        (2.0, 0.75)
    """
    if low <= 0 <= high:
        return 0.0
    if low < 0:
        return -simplest_number(-high, -low)
    middle = low + (high - low) / 2
    for digits in range(1, MOST + 1):
        for near in (middle, low, high):
            found = float(f"{near:.{digits - 1}e}")
            if low <= found <= high:
                return found
    return middle


def digits_of(number: float) -> int:
    """Significant decimal digits of a number's shortest text; 0 for zero."""
    if number == 0 or not math.isfinite(number):
        return 0
    return len(f"{number!r}".lower().split("e")[0].replace(".", "").strip("-0"))
