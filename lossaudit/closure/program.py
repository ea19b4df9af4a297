"""The linear program of the weights: rows as inequalities, and the box of weights that they leave.

Each row gives two linear inequalities, total - sum w t within its tolerance, where the tolerance
itself is linear in the weights once their signs are fixed. Minimising and maximising each weight
over all rows gives its interval. Least squares only tells where to look: with weights written as
w0 + d the linear program (HiGHS) works on small numbers. Rows are added in rounds: those that the
current optimum violates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from lossaudit.closure.solver import Effort, Solver
from lossaudit.model.table import Bools, Floats, Ints
from lossaudit.numerics.distinct import distinct

MOST_ROUNDS = 60
ROWS_A_ROUND = 40
SLACK = 1e-6
"""Tolerances by which the solver may be off."""

REACH = 1e9
"""Weights are sought within this many units of their scale; beyond, they count as unbounded."""


class WeightRows(Struct, frozen=True):
    """Rows as inequalities in the weights, all of shape (N, n) or (N,).

    |total - sum_i w_i terms_i| <= slack + sum_i |w_i| spread_i

    Programs over them raise OutOfEffortError beyond `effort`, where there is one.
    """

    total: Floats
    terms: Floats
    slack: Floats
    spread: Floats
    signs: Floats
    effort: Effort | None = None

    def __len__(self) -> int:
        return len(self.total)

    def are_satisfied_by(self, weights: Floats) -> bool:
        """Whether weights, shape (n,), satisfy every row."""
        with np.errstate(all="ignore"):  # an unbounded weight is huge, and times 0 no number
            reach = self.slack + self.spread @ np.abs(weights)
            return bool((np.abs(self.total - self.terms @ weights) <= reach).all())

    def part(self, chosen: Bools | Ints | slice) -> WeightRows:
        """Some of the rows."""
        return WeightRows(
            self.total[chosen],
            self.terms[chosen],
            self.slack[chosen],
            self.spread[chosen],
            self.signs,
            self.effort,
        )


def joined(parts: Sequence[WeightRows]) -> WeightRows:
    """Rows one after the other."""
    if len(parts) == 1:
        return parts[0]
    return WeightRows(
        np.concatenate([p.total for p in parts]),
        np.concatenate([p.terms for p in parts]),
        np.concatenate([p.slack for p in parts]),
        np.concatenate([p.spread for p in parts]),
        parts[0].signs,
        parts[0].effort,
    )


def largest(values: Floats, count: int) -> Ints:
    """Where the largest of many values are, `count` places in no order, or all there are."""
    if len(values) <= count:
        return np.arange(len(values))
    least = np.partition(values, -count)[-count]  # np.argpartition takes thirty times as long
    above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
    return np.concatenate([above, equal[: count - len(above)]])


def is_feasible(rows: WeightRows) -> bool:
    """Whether some weights of the declared signs satisfy every row."""
    program = Program(rows)
    return program.optimum(np.zeros(rows.terms.shape[1])) is not None


class Box(Struct, frozen=True):
    """The ends of every weight, and where they were reached.

    Attributes:
        low, high: shape (n,).
        ends: shape (2n, n), the weights at which the low and the high end of each is reached.
        binding: the rows that were looked at, those that bind among them.
    """

    low: Floats
    high: Floats
    ends: Floats
    binding: Ints

    @property
    def middle(self) -> Floats:
        """Weights amid the ends, shape (n,): they satisfy every row that the ends satisfy."""
        return np.asarray(self.ends.mean(axis=0))


def box_of(rows: WeightRows, known: Box | None = None, again: Bools | None = None) -> Box | None:
    """The interval of each weight over all rows, or None where no weights satisfy them.

    Args:
        rows: the inequalities.
        known: a box of some of the rows; its middle is where the search starts.
        again: shape (2n,), which of its ends the other rows exclude; all others still hold.
    """
    program = Program(rows, None if known is None else known.middle)
    size = rows.terms.shape[1]
    low, high = (np.empty(size), np.empty(size)) if known is None else (known.low, known.high)
    ends = np.empty((2 * size, size)) if known is None else known.ends
    low, high, ends = low.copy(), high.copy(), ends.copy()
    for place in range(2 * size) if again is None else np.flatnonzero(again).tolist():
        i, upper = divmod(place, 2)
        objective = np.zeros(size)
        objective[i] = -1.0 if upper else 1.0
        best = program.optimum(objective)
        if best is None:
            return None
        ends[place] = program.weights(best, 0)
        (high if upper else low)[i] = program.weights(best, 1 if upper else -1)[i]
    return Box(low, high, ends, np.fromiter(sorted(program.chosen), np.int64))


class Program:
    """The linear program in scaled deviations d from a first guess, rows added as they bind."""

    def __init__(self, rows: WeightRows, guess: Floats | None = None) -> None:
        self.signs = np.where(rows.signs < 0, -1.0, 1.0)
        usable = guess is not None and bool(np.all(np.abs(guess) < REACH))
        self.guess = guess if guess is not None and usable else _least_squares(rows)
        residual = rows.total - rows.terms @ self.guess
        reach = rows.slack + rows.spread @ np.abs(self.guess)
        reach = np.maximum(reach, np.finfo(np.float64).tiny)
        self.unit = _unit(np.abs(rows.terms) + rows.spread, reach)
        # rows r: lower_r <= up_r . d  and  down_r . d <= upper_r, in tolerances
        spread = rows.spread * self.signs
        base = rows.slack + spread @ self.guess
        scale = reach[:, None]
        self.up, self.lower = (rows.terms + spread) * self.unit / scale, (residual - base) / reach
        self.down, self.upper = (rows.terms - spread) * self.unit / scale, (residual + base) / reach
        with np.errstate(divide="ignore"):
            self.floor = np.where(self.signs > 0, -self.guess / self.unit, -REACH)
            self.ceiling = np.where(self.signs > 0, REACH, -self.guess / self.unit)
        bounds = np.minimum(self.floor, self.ceiling), np.maximum(self.floor, self.ceiling)
        self._solver = Solver(*bounds, rows.effort)
        self.chosen: set[int] = set()
        self._choose(self._first_rows())

    def weights(self, scaled: Floats, outwards: int) -> Floats:
        """Scaled deviations -> weights, moved outwards (-1 or 1) by what the solver may be off."""
        with np.errstate(over="ignore"):  # the unit of a term that is always 0 is huge
            weights = self.guess + scaled * self.unit
            weights = weights + outwards * SLACK * self.unit
        if outwards:
            unbounded = np.abs(scaled) >= REACH * (1 - 1e-9)
            weights = np.where(unbounded, outwards * np.inf, weights)
        return np.where(weights * self.signs < 0, 0.0, weights)

    def optimum(self, objective: Floats) -> Floats | None:
        """The deviations that minimise the objective over all rows, or None if there are none."""
        for _ in range(MOST_ROUNDS):
            found = self._solver.optimum(objective)
            if found is None:
                return None
            excess = np.maximum(self.lower - self.up @ found, self.down @ found - self.upper)
            beyond = np.flatnonzero(excess > SLACK)
            beyond = beyond[largest(excess[beyond], ROWS_A_ROUND)]
            if not self._choose(beyond):
                return found
        return found

    def _choose(self, rows: Ints) -> bool:
        """Give the solver the rows that it does not have yet; False where it has them all."""
        fresh = np.fromiter(sorted(set(rows.tolist()) - self.chosen), dtype=np.int64)
        if not len(fresh):
            return False
        self.chosen |= set(fresh.tolist())
        self._solver.demand(self.up[fresh], self.lower[fresh])
        self._solver.demand(-self.down[fresh], -self.upper[fresh])
        return True

    def _first_rows(self) -> np.ndarray:
        """Rows that are likely to bind: extreme in some term, or furthest from the guess."""
        extremes = [f(self.up, axis=0) for f in (np.argmin, np.argmax)]
        furthest = largest(-self.upper, ROWS_A_ROUND), largest(self.lower, ROWS_A_ROUND)
        return distinct(np.concatenate([*extremes, *furthest]))


def _least_squares(rows: WeightRows) -> Floats:
    """A first guess of the weights, each row weighted by its own precision."""
    precision = 1 / np.maximum(rows.slack + rows.spread.sum(axis=1), np.finfo(np.float64).tiny)
    precision = np.minimum(precision / precision.max(), 1.0)
    scale = np.maximum(np.abs(rows.terms).max(axis=0), np.finfo(np.float64).tiny)
    system = rows.terms / scale * precision[:, None]
    solution, *_ = np.linalg.lstsq(system, rows.total * precision, rcond=1e-13)
    guess = solution / scale
    return np.where(np.isfinite(guess), guess, 0.0)


def _unit(sizes: Floats, reach: Floats) -> Floats:
    """For each weight, the change that moves the most sensitive row by one tolerance."""
    sensitivity = (sizes / reach[:, None]).max(axis=0)
    return np.asarray(1 / np.maximum(sensitivity, 1e-300))
