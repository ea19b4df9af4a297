"""A term's interval from passes that differ: by their rounding, or by what they drew.

`precision` says what the intervals claim.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from lossaudit.model.replay import Recomputed
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.adapter import Tensors
from lossaudit.witnesses.replay.recompute_term import recompute_term

DRAWS = 8
STUDENT_T = 11.21
"""Of 7 degrees of freedom, 1 in 100,000 outside, both sides together."""

ELEMENTWISE = ("l1", "mse", "smooth_l1", "huber")
"""Terms that grow with the distance of each element, so that the worst signs are known."""


def change_of(definition: Definition, ours: Tensors, other: Tensors, dtype: str) -> float:
    """By how much a term may change, if the differences of two passes all push it the same way.

    Args:
        definition: of the term; where it is no sum over elements, the change is the one seen.
        ours: all tensors, those of one pass among them.
        other: those of the other pass.
        dtype: of the term.
    """

    def term(tensors: Tensors) -> float:
        return recompute_term(definition, tensors, dtype).float64

    here = term(ours)
    tried: list[Callable[[], Tensors]] = [lambda: {**ours, **other}]
    names = (definition.prediction, definition.target)
    if definition.kind in ELEMENTWISE and all(name in ours for name in names):
        prediction, target = (ours[name].double() for name in names)
        size = sum((other[n].double() - ours[n].double()).abs() for n in names if n in other)
        gap = prediction - target
        sign = gap.sign() + (gap == 0)
        tried.append(lambda: {**ours, names[0]: prediction + sign * size})
        tried.append(lambda: {**ours, names[0]: prediction - sign * gap.abs().clamp(max=size)})
    return max(abs(term(tensors()) - here) for tensors in tried)


def widened(term: Recomputed, half_width: float) -> Recomputed:
    """The term with a wider interval."""
    return replace(term, low=term.low - half_width, high=term.high + half_width)


def over_draws(terms: Sequence[Recomputed]) -> Recomputed:
    """One term over several draws: the first one's values, and the interval of one more draw.

    Every draw that was made lies inside; see the module's docstring for the others.
    """
    values = [term.float64 for term in terms]
    if not all(map(math.isfinite, values)):
        return replace(terms[0], low=-math.inf, high=math.inf)
    rounding = max(max(t.high - t.float64, t.float64 - t.low) for t in terms)
    center, spread = statistics.fmean(values), statistics.stdev(values)
    reach = STUDENT_T * spread * math.sqrt(1 + 1 / len(values)) + rounding
    low = min(center - reach, *(t.low for t in terms))
    high = max(center + reach, *(t.high for t in terms))
    return replace(terms[0], low=low, high=high)
