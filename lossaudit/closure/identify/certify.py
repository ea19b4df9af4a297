"""Which weights do rows allow, whatever their signs: outer bounds that need no linear program.

Let P be a left inverse of the terms X (P X = 1), u any guess and w weights that no row refutes,
so that total = X w + e with |e| <= slack + spread |w|. Then

    w - u = P (total - X u) - P e
    |w - u| <= |P (total - X u)| + |P| (slack + spread |w|)

and with |w| <= |u| + |w - u| the distance d = |w - u| obeys d <= b + M d for M = |P| spread and
b = |P (total - X u)| + |P| (slack + spread |u|). Where the spectral radius of M is below 1,
d <= (1 - M)^-1 b holds for every weight vector at once, near the guess or not. Where it is not,
rounding hides how the columns differ, and nothing is certified. Within these bounds the tolerance
no longer depends on the weights' signs, and the linear program narrows them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.closure.identify.sample import SMALLEST, Sample
from lossaudit.closure.program import Box, WeightRows, box_of, is_feasible, joined
from lossaudit.model.table import Bools, Floats

NEARLY_ONE = 0.9
"""Spectral radius of M beyond which the bound is of no use."""


MOST_TOTALS = 20.0
"""How large a weighted term may be in the root mean square, in totals."""


class Bounds(Struct, frozen=True):
    """Bounds on the weights that no row refutes, whatever their signs; both of shape (n,)."""

    low: Floats
    high: Floats

    @property
    def sizes(self) -> Floats:
        """The largest |weight| allowed."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def excludes_zero(self) -> np.ndarray:
        """Which weights must be there."""
        return np.asarray((self.low > 0) | (self.high < 0))


def outer_bounds(rows: WeightRows) -> Bounds | None:
    """Bounds on all weights at once; None where rounding hides how the columns differ."""
    inverse = _left_inverse(rows)
    if inverse is None:
        return None
    guess = inverse @ rows.total
    size = np.abs(inverse)
    matrix = size @ rows.spread
    if not np.isfinite(matrix).all() or np.abs(np.linalg.eigvals(matrix)).max() >= NEARLY_ONE:
        return None
    off = np.abs(inverse @ (rows.total - rows.terms @ guess))
    base = off + size @ (rows.slack + rows.spread @ np.abs(guess))
    distance = np.linalg.solve(np.eye(len(matrix)) - matrix, base)
    distance = distance * (1 + 1e-9) + np.abs(guess) * 1e-12  # P X is 1 but for float64
    return Bounds(guess - distance, guess + distance)


def narrowed(rows: WeightRows, known: Bounds, only: Bools | None = None) -> Bounds | None:
    """The same bounds by the linear program; None where no weights satisfy the rows.

    Args:
        rows: the inequalities.
        known: bounds that hold.
        only: shape (n,), the weights whose bounds are to be narrowed; None: all.
    """
    largest = known.sizes
    shifted = replace(
        rows,
        total=rows.total + rows.terms @ largest,
        slack=rows.slack + rows.spread @ largest,
        spread=np.zeros_like(rows.spread),
    )
    if only is None:
        box = box_of(shifted)
    else:
        middle = np.tile((known.low + known.high) / 2 + largest, (2 * len(largest), 1))
        start = Box(known.low + largest, known.high + largest, middle, np.zeros(0, np.int64))
        box = box_of(shifted, start, np.repeat(only, 2))
    if box is None:
        return None
    low, high = np.maximum(box.low - largest, known.low), box.high - largest
    return Bounds(low, np.minimum(high, known.high))


def some_weights_fit(sample: Sample, chosen: Sequence[int], trends: int = 0) -> bool:
    """Whether weights of the signs that least squares finds satisfy every row."""
    rows = sample.inequalities(chosen, trends)
    if not chosen and not trends:
        return bool(np.all(np.abs(rows.total) <= rows.slack))
    guess = least_squares(rows)
    limited = joined([rows, _limits(rows)])
    return is_feasible(replace(limited, signs=np.where(guess < 0, -1.0, 1.0)))


def _limits(rows: WeightRows) -> WeightRows:
    """No term is more than 20 totals: weights that cancel would excuse rows by their rounding."""
    size = np.sqrt(np.mean(rows.terms**2, axis=0))
    most = MOST_TOTALS * np.sqrt(np.mean(rows.total**2)) / np.maximum(size, SMALLEST)
    units = np.eye(len(size))
    return WeightRows(np.zeros(len(size)), units, most, np.zeros_like(units), rows.signs)


def least_squares(rows: WeightRows) -> Floats:
    """Weights where a search may start, each row weighted by its precision."""
    _spend(rows)
    precision = _precision(rows)
    scale = _scale(rows)
    system = rows.terms / scale * precision[:, None]
    solution, *_ = np.linalg.lstsq(system, rows.total * precision, rcond=1e-13)
    return np.asarray(solution / scale)


def _left_inverse(rows: WeightRows) -> Floats | None:
    """P with P X = 1, each row weighted by its precision; None where the columns are dependent."""
    count, size = rows.terms.shape
    if count < size:
        return None
    _spend(rows)
    precision, scale = _precision(rows), _scale(rows)
    q, r = np.linalg.qr(rows.terms / scale * precision[:, None])
    diagonal = np.abs(np.diag(r))
    if diagonal.min() <= 1e-12 * diagonal.max():
        return None
    inverse = np.linalg.solve(r, q.T * precision) / scale[:, None]
    return inverse if np.isfinite(inverse).all() else None


def _spend(rows: WeightRows) -> None:
    """Account for a decomposition of the rows."""
    if rows.effort is not None:
        rows.effort.spend(rows.terms.size * rows.terms.shape[1])


def _precision(rows: WeightRows) -> Floats:
    tiny = np.finfo(np.float64).tiny
    precision = 1 / np.maximum(rows.slack + rows.spread.sum(axis=1), tiny)
    return np.asarray(np.minimum(precision / precision.max(), 1.0))


def _scale(rows: WeightRows) -> Floats:
    largest = np.abs(rows.terms).max(axis=0)
    return np.asarray(np.where(largest > SMALLEST, largest, 1.0))
