"""A growing linear program and its solver (HiGHS), and what solving may cost."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Floats

MOST_PIVOTS = 10**9
NUMBERS_A_PIVOT = 20_000
"""What a pivot of the solver costs beside the numbers that it looks at."""


class OutOfEffortError(Exception):
    """A search has cost all that it may."""


class Effort(Struct):
    """What a search may still cost, in numbers looked at: the same on every machine."""

    left: float

    def spend(self, numbers: float) -> None:
        """Take off a part; raises OutOfEffortError where nothing is left."""
        self.left -= numbers
        if self.left < 0:
            raise OutOfEffortError


class Solver:
    """A linear program that grows: each optimum starts from where the one before was found.

    There are few weights and many rows, so HiGHS is given the dual: a variable for each inequality,
    an equation for each weight, and bases as small as the number of weights. The weights are the
    duals of its equations; a dual that is unbounded says that no weights satisfy the rows.

    Args:
        low, high: bounds of the variables, shape (n,).
        effort: what it may cost; None: anything.
    """

    def __init__(self, low: Floats, high: Floats, effort: Effort | None = None) -> None:
        import highspy

        self._effort = effort

        # `Highs` prints a banner to standard output when it is made; the class below it does not
        self._solver = highspy._Highs()  # type: ignore[attr-defined]
        self._solver.setOptionValue("output_flag", False)
        self._solver.setOptionValue("presolve", "off")  # it would forget the last optimum
        self._solver.setOptionValue("solver", "simplex")
        self._optimal = highspy.HighsModelStatus.kOptimal
        size, none = len(low), np.zeros(0)
        self._weights = np.arange(size, dtype=np.int32)
        zeros = np.zeros(size)
        self._solver.addRows(size, zeros, zeros, 0, self._weights * 0, none.astype(np.int32), none)
        self.demand(np.eye(size), low)
        self.demand(-np.eye(size), -high)

    def demand(self, matrix: Floats, low: Floats) -> None:
        """Demand matrix @ x >= low, wherever `low` is finite."""
        matrix, low = matrix[np.isfinite(low)], low[np.isfinite(low)]
        count, size = matrix.shape
        starts = np.arange(0, count * size, size, dtype=np.int32)
        index, zeros = np.tile(self._weights, count), np.zeros(count)
        above = np.full(count, np.inf)
        self._solver.addCols(count, -low, zeros, above, count * size, starts, index, matrix.ravel())

    def optimum(self, objective: Floats) -> Floats | None:
        """The x that minimises objective @ x, or None if there is none."""
        for weight, value in enumerate(objective.tolist()):
            self._solver.changeRowBounds(weight, value, value)
        self._run()
        if self._solver.getModelStatus() != self._optimal:
            return None
        return -np.array(self._solver.getSolution().row_dual)

    def _run(self) -> None:
        """Solve, within what it may cost."""
        if self._effort is None:
            self._solver.run()
            return
        a_pivot = self._solver.getNumCol() * len(self._weights) + NUMBERS_A_PIVOT
        most = int(min(self._effort.left / a_pivot, MOST_PIVOTS)) + 1
        self._solver.setOptionValue("simplex_iteration_limit", most)
        self._solver.run()
        self._effort.spend(self._solver.getInfo().simplex_iteration_count * a_pivot)
