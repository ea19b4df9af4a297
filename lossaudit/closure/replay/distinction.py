"""Whether two formulas could have been told apart by a recomputed step, at its precision."""

from __future__ import annotations

import math

from lossaudit.model.replay import Interval


def separation(declared: Interval, rival: Interval, half_width: float = 0.0) -> float:
    """How far two totals of one step lie apart, as a multiple of what precision leaves open.

    Args:
        declared: the declared formula on the recomputed terms.
        rival: the rival on the same terms.
        half_width: of the logged total, as it was written.

    Returns:
        Above 1, no total fits both: a log of this step refutes one of them. Infinite where nothing
        is left open; 0 where the totals agree, or where one of them is not finite.
    """
    gap = abs(declared.value - rival.value)
    lower, upper = sorted((declared, rival), key=lambda i: i.value)
    left_open = (upper.value - upper.low) + (lower.high - lower.value) + 2 * half_width
    if not math.isfinite(gap) or math.isnan(left_open) or gap == 0:
        return 0.0
    return gap / left_open if left_open > 0 else math.inf


def distinction(name: str, declared: Interval, rival: Interval, half_width: float = 0.0) -> str:
    """The answer in one clause, for a verdict's reason."""
    found = separation(declared, rival, half_width)
    apart = f"{name} would give {rival.value:.6g} instead of {declared.value:.6g}"
    if found > 1:
        times = "exactly" if math.isinf(found) else f"{found:,.3g} x what precision leaves open"
        return f"{apart}, {times}"
    return f"{apart}, which cannot be told at this precision ({found:.2g} x what it leaves open)"
