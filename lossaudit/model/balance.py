"""Who dominates a loss: shares of the weighted terms, and which weights would change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

Trend = Literal["rising", "falling", "flat", "wandering", "unknown"]
"""How a share moves over a log; "wandering" is neither of the first three, "unknown" too short."""

Sign = Literal["positive", "negative", "mixed", "zero"]
"""Of a weighted term on all rows; a share is of its size."""


class Share(Struct, frozen=True):
    """How much of the total one weighted term makes up: |w t| / sum of |w t|, over rows."""

    mean: float
    p05: float
    p50: float
    p95: float


class Course(Struct, frozen=True):
    """How one term's share moves from the first row to the last.

    Attributes:
        first_tenth, last_tenth: mean share over the first and the last tenth of the rows.
        trend: in a word.
        points: mean shares of up to 60 stretches of equally many rows, in file order.
        sign: of the weighted term.
    """

    first_tenth: float
    last_tenth: float
    trend: Trend
    points: tuple[float, ...]
    sign: Sign


class Ratio(Struct, frozen=True):
    """|numerator| / |denominator| of two terms before their weights.

    Attributes:
        numerator, denominator: names of the terms.
        p05, p50, p95: percentiles of the ratio, infinite where the denominator is 0.
        below: rows on which |numerator| < |denominator|.
        rows: rows on which at least one of them is not 0.
    """

    numerator: str
    denominator: str
    p05: float
    p50: float
    p95: float
    below: int
    rows: int


class EqualShares(Struct, frozen=True):
    """Weights at which no term dominates.

    Attributes:
        keeps: the term with the largest share, whose weight stays.
        weights: of all terms, changed together, so that the medians of |w t| are equal.
        shares: at those weights.
        alone: of two terms, for each the weight at which both median shares are equal while the
            other's weight stays.
        left_out: terms that no weight can make equal, for they are 0 on half of the rows or more.
    """

    keeps: str
    weights: Mapping[str, float]
    shares: Mapping[str, Share]
    alone: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


class WhatIf(Struct, frozen=True):
    """The shares of all terms where one of them had another weight."""

    term: str
    weight: float
    shares: Mapping[str, Share]


class GradientShares(Struct, frozen=True):
    """How strongly each weighted term pulls at some of the network's tensors, as it was recorded.

        share_i = ||w_i d t_i|| / sum of ||w_j d t_j||, over all recorded terms

    Attributes:
        rows: records that count: every term has a gradient there, and one of them is not 0.
        left_out: reason -> records that do not count.
        shares: by term.
        steps: the first step of each of up to 240 stretches of the records.
        courses: by term the mean share over each stretch, as many as `steps`.
    """

    rows: int
    left_out: Mapping[str, int]
    shares: Mapping[str, Share]
    steps: tuple[float, ...]
    courses: Mapping[str, tuple[float, ...]]


class Balance(Struct, frozen=True):
    """What one log says about the balance of a formula; empty where it says nothing.

    Attributes:
        rows: rows that count: every term is present and finite, and one of them is not 0.
        left_out: reason -> rows that do not count.
        weights: the declared ones.
        max_share: no term's share should have a median above it; None where nothing is declared.
        courses: by term, in the formula's order, as everything here.
        cautions: what keeps the shares from being those that were trained, in sentences.
    """

    rows: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    max_share: float | None = None
    courses: Mapping[str, Course] = field(default_factory=dict)
    ratios: tuple[Ratio, ...] = ()
    equal: EqualShares | None = None
    what_if: tuple[WhatIf, ...] = ()
    cautions: tuple[str, ...] = ()
