"""Is the residual a course of its own: of one sign, smooth, and unrelated to the terms?"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from lossaudit.closure.blocks import Prepared
from lossaudit.closure.decide import decide
from lossaudit.closure.weigh import Moments
from lossaudit.model.table import Floats
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.normal_form import Polynomial, monomial_expr
from lossaudit.spec.tree import Expr, names

LEAST_ROWS = 20
ROUGH = 0.02
"""Share of the formula's own step-to-step variance below which a residual is smooth."""

RELATED = 0.3
"""Correlation of step-to-step changes above which a residual belongs to a term."""

ONE_SIDED = 0.98
"""Share of rows whose residual must be beyond its tolerance, on one side."""


class ResidualCourse(Struct):
    """Moments of the changes from row to row of the residual, the formula and the terms.

    Args:
        declared: the formula.
        form: its monomials.
    """

    declared: Expr
    form: Polynomial
    rows: int
    above: int
    below: int
    low: float
    high: float
    changes: Moments
    _last: Floats | None = None

    @classmethod
    def of(cls, declared: Expr, form: Polynomial) -> ResidualCourse:
        """Before any row."""
        return cls(declared, form, 0, 0, 0, np.inf, -np.inf, Moments())

    def update(self, prepared: Prepared) -> None:
        """Take in the next rows."""
        block = prepared.cautious or prepared.block
        decision = decide(self.declared, names(self.declared), block)
        rows = decision.decided & ~decision.nonfinite
        if not rows.any():
            return
        residual = decision.residual[rows]
        beyond = np.abs(residual) > decision.tolerance[rows]
        self.rows += len(residual)
        self.above += int(np.sum(beyond & (residual > 0)))
        self.below += int(np.sum(beyond & (residual < 0)))
        self.low, self.high = min(self.low, residual.min()), max(self.high, residual.max())
        shape = block.total.shape
        monomials = [monomial_expr(m) for m, _ in self.form.coefficients if m]
        terms = [evaluate(m, block.columns, block.arithmetic).value for m in monomials]
        columns = [residual, decision.recomputed[rows]]
        columns += [np.broadcast_to(t, shape)[rows] for t in terms]
        values = np.column_stack(columns)
        joined = values if self._last is None else np.vstack([self._last, values])
        self._last = values[-1:]
        self.changes.update(np.diff(joined, axis=0))

    @property
    def is_hidden_term(self) -> bool:
        """Whether something smooth is added that no term explains."""
        if self.rows < LEAST_ROWS or self.changes.products is None:
            return False
        if max(self.above, self.below) < ONE_SIDED * self.rows:
            return False
        size = np.sqrt(np.diag(self.changes.products))
        if not size[0] ** 2 < ROUGH * size[1] ** 2:
            return False
        with np.errstate(divide="ignore", invalid="ignore"):
            related = self.changes.products[0, 2:] / (size[0] * size[2:])
        return bool(np.all(np.nan_to_num(np.abs(related)) < RELATED))
