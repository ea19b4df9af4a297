"""Series and shares drawn with block characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

LEVELS = "▁▂▃▄▅▆▇█"
EIGHTHS = " ▏▎▍▌▋▊▉"
SHADES = "█▒▓░"
LIMIT = "┊"


def render_sparkline(values: Sequence[float], width: int, least_span: float = 0.0) -> str:
    """One character per value, or per bucket of values where they are more than `width`.

    A bucket shows the mean of its finite values; without one it is a gap (a space). The lowest mean
    is at the bottom and the highest at the top, unless they are nearer than `least_span`: then the
    line keeps to the middle of a range of that width. All values equal: a line at half height. No
    finite value at all: nothing.
    """
    count = min(width, len(values))
    edges = [k * len(values) // count for k in range(count + 1)] if count else []
    means = [_finite_mean(values[a:b]) for a, b in pairwise(edges)]
    finite = [m for m in means if m is not None]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    if high - low < least_span:
        middle = (low + high) / 2
        low, high = middle - least_span / 2, middle + least_span / 2
    return "".join(" " if m is None else LEVELS[_level(m, low, high)] for m in means)


def render_bar(share: float, width: int, limit: float | None = None) -> str:
    """`share` of `width` characters filled, to an eighth of one; nothing where it is NaN.

    Args:
        share: from 0 to 1, clipped.
        width: characters of a whole bar.
        limit: a share beyond the bar's end that is marked, or None.
    """
    if math.isnan(share):
        return ""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    bar = ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).rstrip()
    if limit is None or not len(bar) <= (place := min(int(limit * width), width - 1)):
        return bar
    return bar.ljust(place) + LIMIT


def render_stack(shares: Sequence[float], width: int) -> str:
    """Shares end to end in `width` characters, each in a shade of its own, the fifth as the first.

    Nothing where they are no numbers or add up to nothing.
    """
    whole = sum(shares)
    if not (math.isfinite(whole) and whole > 0 and min(shares) >= 0):
        return ""
    ends = [round(width * (sum(shares[:k]) / whole)) for k in range(len(shares) + 1)]
    return "".join(SHADES[k % len(SHADES)] * (b - a) for k, (a, b) in enumerate(pairwise(ends)))


def _finite_mean(values: Sequence[float]) -> float | None:
    finite = [v for v in values if math.isfinite(v)]
    return math.fsum(v / len(finite) for v in finite) if finite else None


def _level(value: float, low: float, high: float) -> int:
    span = high / 2 - low / 2  # halves: the difference itself may overflow
    if span == 0:
        return (len(LEVELS) - 1) // 2
    return min(int((value / 2 - low / 2) / span * len(LEVELS)), len(LEVELS) - 1)
