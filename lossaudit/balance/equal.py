"""Weights at which no term dominates, read from the first pass."""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct

from lossaudit.balance.census import Census
from lossaudit.model.table import Floats


class EqualWeights(Struct, frozen=True):
    """A solution; see `solve`.

    Attributes:
        keeps: place of the term whose weight stays.
        weights: of all terms, shape (terms,).
        alone: place -> weight, of two terms.
        left_out: places of terms that are 0 on half of the rows or more.
    """

    keeps: int
    weights: Floats
    alone: dict[int, float]
    left_out: tuple[int, ...]


def solve(census: Census) -> EqualWeights | None:
    """The weights that bring all terms to the same size, as a median; None where nothing can.

    The term with the largest share keeps its weight w_k. Every other weight becomes

        w_i = |w_k| median|t_k| / median|t_i|, with its old sign,

    so that the medians of all |w_i t_i| are equal. Of exactly two terms,

        w_i = |w_k| median(|t_k| / |t_i|),

    at which the median of either share is 1/2; there `alone` holds both answers: what either weight
    would have to be while the other stays. A mere constant in the formula is no term.
    """
    terms = census.terms
    places = [i for i in range(len(terms.names)) if not terms.is_constant(i)]
    medians = {i: census.sizes[i].percentile(0.5) for i in places}
    usable = [i for i in census.by_size() if 0 < medians.get(i, 0.0) < math.inf]
    if len(usable) < 2:
        return None
    keeps, weights = usable[0], terms.weights.tolist()
    for i in usable[1:]:
        size = abs(weights[keeps]) * medians[keeps] / medians[i]
        weights[i] = math.copysign(size, weights[i])
    alone = _alone(census) if len(terms.names) == 2 else {}
    if alone:
        other = 1 - keeps
        weights[other] = alone[other]
    if not all(map(math.isfinite, [*weights, *alone.values()])):
        return None
    return EqualWeights(keeps, np.array(weights), alone, tuple(sorted(set(places) - set(usable))))


def _alone(census: Census) -> dict[int, float]:
    """For either of two terms the weight that makes the shares equal while the other's stays."""
    ratio = census.ratios[0].spread.percentile(0.5)
    if not 0 < ratio < math.inf:
        return {}
    first, second = census.terms.weights.tolist()
    return {
        0: math.copysign(abs(second) / ratio, first),
        1: math.copysign(abs(first) * ratio, second),
    }
