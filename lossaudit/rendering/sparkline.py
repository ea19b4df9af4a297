"""Series and shares drawn with block characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

LEVELS = "▁▂▃▄▅▆▇█"
EIGHTHS = " ▏▎▍▌▋▊▉"


def render_sparkline(values: Sequence[float], width: int) -> str:
    """One character per value, or per bucket of values where they are more than `width`.

    A bucket shows the mean of its finite values; without one it is a gap (a space). All values
    equal: a line at half height. No finite value at all: nothing.
    """
    count = min(width, len(values))
    edges = [k * len(values) // count for k in range(count + 1)] if count else []
    means = [_finite_mean(values[a:b]) for a, b in pairwise(edges)]
    finite = [m for m in means if m is not None]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    return "".join(" " if m is None else LEVELS[_level(m, low, high)] for m in means)


def render_bar(share: float, width: int) -> str:
    """`share` of `width` characters filled, to an eighth of one; nothing where it is NaN."""
    if math.isnan(share):
        return ""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).rstrip()


def _finite_mean(values: Sequence[float]) -> float | None:
    finite = [v for v in values if math.isfinite(v)]
    return math.fsum(v / len(finite) for v in finite) if finite else None


def _level(value: float, low: float, high: float) -> int:
    span = high / 2 - low / 2  # halves: the difference itself may overflow
    if span == 0:
        return (len(LEVELS) - 1) // 2
    return min(int((value / 2 - low / 2) / span * len(LEVELS)), len(LEVELS) - 1)
