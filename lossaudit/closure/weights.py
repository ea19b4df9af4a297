"""Certified weights: the box of all weights, of the declared signs, that no row refutes.

Each row gives two linear inequalities, total - sum w t within its tolerance, where the tolerance
itself is linear in the weights once their signs are fixed. Minimising and maximising each weight
over all rows gives its interval. Least squares only tells where to look: with weights written as
w0 + d the linear program (HiGHS) works on small numbers. Rows are added in rounds: those that the
current optimum violates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossaudit.model.table import Bools, Floats

MOST_ROUNDS = 60
ROWS_A_ROUND = 40
MOST_STRETCHES = 12
REACH = 1e9
"""Weights are sought within this many units of their scale; beyond, they count as unbounded."""


@dataclass(frozen=True, slots=True)
class WeightRows:
    """Rows as inequalities in the weights, all of shape (N, n) or (N,).

    |total - sum_i w_i terms_i| <= slack + sum_i |w_i| spread_i
    """

    total: Floats
    terms: Floats
    slack: Floats
    spread: Floats
    signs: Floats

    def __len__(self) -> int:
        return len(self.total)

    def part(self, chosen: Bools | slice) -> WeightRows:
        """Some of the rows."""
        return WeightRows(
            self.total[chosen],
            self.terms[chosen],
            self.slack[chosen],
            self.spread[chosen],
            self.signs,
        )


@dataclass(frozen=True, slots=True)
class WeightBox:
    """What the rows allow.

    Attributes:
        low, high: shape (n,), the certified interval of each weight; infinite where unbounded.
        start, stop: the consistent stretch of rows that was used.
        complete: True where that stretch is all rows.
    """

    low: Floats
    high: Floats
    start: int
    stop: int
    complete: bool


def certify(rows: WeightRows) -> WeightBox | None:
    """The box of weights over all rows, or over the longest stretch found that has any.

    Returns:
        None where no stretch of at least twice as many rows as weights is consistent.
    """
    count = len(rows)
    least = 2 * rows.terms.shape[1]
    if count == 0:
        return None
    whole = _box(rows)
    if whole is not None:
        return WeightBox(*whole, 0, count, True)
    best, start = (0, 0), 0
    for _ in range(MOST_STRETCHES):
        if count - start <= max(best[1] - best[0], least):
            break
        stop = start + _longest_prefix(rows.part(slice(start, count)))
        if stop - start > best[1] - best[0]:
            best = (start, stop)
        start = max(stop, start + 1)
    if best[1] - best[0] < least:
        return None
    box = _box(rows.part(slice(*best)))
    return None if box is None else WeightBox(*box, *best, False)


def _longest_prefix(rows: WeightRows) -> int:
    """Most rows from the first on that some weights satisfy, by doubling and bisection."""
    good, bad = 0, 1
    while bad <= len(rows) and is_feasible(rows.part(slice(0, bad))):
        good, bad = bad, bad * 2
    bad = min(bad, len(rows) + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        if is_feasible(rows.part(slice(0, middle))):
            good = middle
        else:
            bad = middle
    return good


def is_feasible(rows: WeightRows) -> bool:
    """Whether some weights of the declared signs satisfy every row."""
    program = _Program(rows)
    return program.optimum(np.zeros(rows.terms.shape[1])) is not None


def _box(rows: WeightRows) -> tuple[Floats, Floats] | None:
    program = _Program(rows)
    size = rows.terms.shape[1]
    low, high = np.empty(size), np.empty(size)
    for i in range(size):
        for sign, ends in ((1.0, low), (-1.0, high)):
            objective = np.zeros(size)
            objective[i] = sign
            best = program.optimum(objective)
            if best is None:
                return None
            ends[i] = best[i]
    return program.weights(low, -1), program.weights(high, 1)


class _Program:
    """The linear program in scaled deviations d from a first guess, rows added as they bind."""

    def __init__(self, rows: WeightRows) -> None:
        self.signs = np.where(rows.signs < 0, -1.0, 1.0)
        self.guess = _least_squares(rows)
        residual = rows.total - rows.terms @ self.guess
        reach = rows.slack + rows.spread @ np.abs(self.guess)
        reach = np.maximum(reach, np.finfo(np.float64).tiny)
        self.unit = _unit(rows.terms, reach)
        # rows r: lower_r <= up_r . d  and  down_r . d <= upper_r, in tolerances
        spread = rows.spread * self.signs
        base = rows.slack + spread @ self.guess
        scale = reach[:, None]
        self.up, self.lower = (rows.terms + spread) * self.unit / scale, (residual - base) / reach
        self.down, self.upper = (rows.terms - spread) * self.unit / scale, (residual + base) / reach
        with np.errstate(divide="ignore"):
            self.floor = np.where(self.signs > 0, -self.guess / self.unit, -REACH)
            self.ceiling = np.where(self.signs > 0, REACH, -self.guess / self.unit)
        self.chosen: set[int] = set(self._first_rows().tolist())

    def weights(self, scaled: Floats, outwards: int) -> Floats:
        """Scaled deviations -> weights, moved outwards by what the solver may be off."""
        with np.errstate(over="ignore"):  # the unit of a term that is always 0 is huge
            weights = self.guess + scaled * self.unit
            weights = weights + outwards * 1e-6 * self.unit
        unbounded = np.abs(scaled) >= REACH * (1 - 1e-9)
        weights = np.where(unbounded, outwards * np.inf, weights)
        return np.where(weights * self.signs < 0, 0.0, weights)

    def optimum(self, objective: Floats) -> Floats | None:
        """The deviations that minimise the objective over all rows, or None if there are none."""
        for _ in range(MOST_ROUNDS):
            index = np.fromiter(sorted(self.chosen), dtype=np.int64)
            found = _solve(
                objective,
                np.vstack([self.up[index], self.down[index]]),
                np.concatenate([self.lower[index], np.full(len(index), -np.inf)]),
                np.concatenate([np.full(len(index), np.inf), self.upper[index]]),
                (np.minimum(self.floor, self.ceiling), np.maximum(self.floor, self.ceiling)),
            )
            if found is None:
                return None
            excess = np.maximum(self.lower - self.up @ found, self.down @ found - self.upper)
            worst = np.argsort(excess)[-ROWS_A_ROUND:]
            fresh = {int(r) for r in worst if excess[r] > 1e-6} - self.chosen
            if not fresh:
                return found
            self.chosen |= fresh
        return found

    def _first_rows(self) -> np.ndarray:
        """Rows that are likely to bind: extreme in some term, or furthest from the guess."""
        extremes = [f(self.up, axis=0) for f in (np.argmin, np.argmax)]
        furthest = np.argsort(self.upper)[:ROWS_A_ROUND], np.argsort(self.lower)[-ROWS_A_ROUND:]
        return np.unique(np.concatenate([*extremes, *furthest]))


def _least_squares(rows: WeightRows) -> Floats:
    """A first guess of the weights, each row weighted by its own precision."""
    precision = 1 / np.maximum(rows.slack + rows.spread.sum(axis=1), np.finfo(np.float64).tiny)
    precision = np.minimum(precision / precision.max(), 1.0)
    scale = np.maximum(np.abs(rows.terms).max(axis=0), np.finfo(np.float64).tiny)
    system = rows.terms / scale * precision[:, None]
    solution, *_ = np.linalg.lstsq(system, rows.total * precision, rcond=1e-13)
    guess = solution / scale
    return np.where(np.isfinite(guess), guess, 0.0)


def _unit(terms: Floats, reach: Floats) -> Floats:
    """For each weight, the change that moves the most sensitive row by one tolerance."""
    sensitivity = np.abs(terms / reach[:, None]).max(axis=0)
    return np.asarray(1 / np.maximum(sensitivity, 1e-300))


def _solve(
    objective: Floats, matrix: Floats, low: Floats, high: Floats, bounds: tuple[Floats, Floats]
) -> Floats | None:
    """min objective . x with low <= matrix x <= high and bounds; None if there is no x."""
    import highspy

    solver = highspy._Highs()  # `Highs` prints a banner to standard output when it is made
    solver.setOptionValue("output_flag", False)
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = matrix.shape[1], matrix.shape[0]
    program.col_cost_, program.col_lower_, program.col_upper_ = objective, *bounds
    program.row_lower_, program.row_upper_ = low, high
    program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    program.a_matrix_.start_ = np.arange(0, matrix.size + 1, matrix.shape[1], dtype=np.int32)
    program.a_matrix_.index_ = np.tile(np.arange(matrix.shape[1], dtype=np.int32), len(matrix))
    program.a_matrix_.value_ = matrix.ravel()
    solver.passModel(program)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return np.array(solver.getSolution().col_value)
