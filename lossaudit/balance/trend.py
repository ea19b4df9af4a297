"""A course in a word, earned by tests on ranks: chance alone gives "flat"."""

from __future__ import annotations

import math

import numpy as np

from lossaudit.model.balance import Trend
from lossaudit.model.table import Floats

FEWEST = 10
"""Points below which no word is earned."""

SIGNIFICANT = 3.5
"""Standard deviations; noise alone exceeds them once in 2,000 courses."""

NOTICEABLE = 0.01
"""A share must move by one percentage point; less is flat, however surely it moves."""

MOST_INFLATION = 39.0
"""Of the variance, where neighbours are all but equal (r = 0.95)."""


def trend_of(points: Floats, change: float) -> Trend:
    """How a course moves.

    "rising" and "falling": Kendall's rank correlation with time is beyond chance, and `change` is
    at least a percentage point in that direction. The variance is that of Mann and Kendall, made
    larger where neighbouring points resemble each other: by (1 + r) / (1 - r), r the correlation
    of neighbours in what a monotone fit leaves over. "wandering": no such trend, but neighbours
    resemble each other beyond chance (Bartels' rank version of von Neumann's ratio), and the means
    of the six sixths differ by a percentage point. "flat" else.

    Args:
        points: shape (N,), finite, in time order.
        change: late level minus early level.

    Source:
        Mann 1945; Kendall 1975; Bartels 1982, The rank version of von Neumann's ratio test; Yue
        and Wang 2004 for the inflated variance.
    """
    if len(points) < FEWEST:
        return "unknown"
    score = kendall_score(points)
    if abs(score) > SIGNIFICANT and change * score > 0 and abs(change) >= NOTICEABLE:
        return "rising" if score > 0 else "falling"
    levels = [float(np.mean(part)) for part in np.array_split(points, 6)]
    if neighbour_score(points) > SIGNIFICANT and max(levels) - min(levels) >= NOTICEABLE:
        return "wandering"
    return "flat"


def kendall_score(points: Floats) -> float:
    """Mann and Kendall's S in standard deviations, positive where the points rise."""
    count = len(points)
    signs = np.sign(points[None, :] - points[:, None])
    total = float(np.triu(signs).sum())
    _, ties = np.unique(points, return_counts=True)
    variance = count * (count - 1) * (2 * count + 5) - float(
        np.sum(ties * (ties - 1) * (2 * ties + 5))
    )
    if variance <= 0 or not total:
        return 0.0
    fit = monotone_fit(points) if total > 0 else -monotone_fit(-points)
    return total / math.sqrt(variance / 18 * _inflation(points - fit))


def neighbour_score(points: Floats) -> float:
    """How much closer neighbours are than chance, in standard deviations."""
    count = len(points)
    values, place, ties = np.unique(points, return_inverse=True, return_counts=True)
    if len(values) < 2:
        return 0.0
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[place]
    ratio = np.sum(np.diff(ranks) ** 2) / np.sum((ranks - ranks.mean()) ** 2)
    top = 4 * (count - 2) * (5 * count**2 - 2 * count - 9)
    bottom = 5 * count * (count + 1) * (count - 1) ** 2
    return float((2 - ratio) / math.sqrt(top / bottom))


def monotone_fit(points: Floats) -> Floats:
    """The non-decreasing sequence nearest to the points (pool adjacent violators)."""
    levels: list[float] = []
    sizes: list[int] = []
    for point in points.tolist():
        level, size = point, 1
        while levels and levels[-1] > level:
            level = (levels[-1] * sizes[-1] + level * size) / (sizes[-1] + size)
            levels.pop()
            size += sizes.pop()
        levels.append(level)
        sizes.append(size)
    return np.repeat(levels, sizes)


def _inflation(residuals: Floats) -> float:
    centred = residuals - residuals.mean()
    spread = float(np.sum(centred**2))
    r = float(np.sum(centred[1:] * centred[:-1])) / spread if spread > 0 else 0.0
    return min((1 + r) / (1 - r), MOST_INFLATION) if 0 < r < 1 else 1.0
