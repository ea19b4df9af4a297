"""Is the total a constant times the formula, or the formula plus a constant?

Every row leaves an interval of factors, and one of constants; what all rows leave is their
intersection. Nothing is fitted: a factor is possible or it is not.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from lossaudit.closure.blocks import Prepared
from lossaudit.closure.decide import decide
from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.formats import gamma
from lossaudit.spec.tree import Expr, names

MORE_ROUNDINGS = 2
"""Operations that scaling or shifting a total adds."""


class Interval(Struct):
    """The intersection of intervals."""

    low: float = -np.inf
    high: float = np.inf
    rows: int = 0

    def narrow(self, low: Floats, high: Floats) -> None:
        """Intersect with one interval per row."""
        if len(low):
            self.low = max(self.low, float(np.max(low)))
            self.high = min(self.high, float(np.min(high)))
            self.rows += len(low)

    @property
    def is_possible(self) -> bool:
        """Whether any number is left, and both ends say something."""
        return self.rows > 0 and self.low <= self.high and bool(np.isfinite(self.low + self.high))

    def holds(self, value: float) -> bool:
        """Whether a number is left."""
        return self.low <= value <= self.high


class Factors(Struct):
    """Factors and constants that every decided row allows.

    Args:
        declared: the formula.
    """

    declared: Expr
    factor: Interval
    constant: Interval

    @classmethod
    def of(cls, declared: Expr) -> Factors:
        """Before any row."""
        return cls(declared, Interval(), Interval())

    def update(self, prepared: Prepared) -> None:
        """Narrow by the next rows, as they were likely written."""
        block = prepared.block
        decision = decide(self.declared, names(self.declared), block)
        rows = decision.decided & ~decision.nonfinite
        if not rows.any():
            return
        total, value = block.total[rows], decision.recomputed[rows]
        half = np.broadcast_to(block.total_half, block.total.shape)[rows]
        own = decision.tolerance[rows] - half
        added = gamma(MORE_ROUNDINGS, block.arithmetic.form.unit_roundoff)
        residual = decision.residual[rows]
        slack = decision.tolerance[rows] + added * np.abs(total)
        self.constant.narrow(residual - slack, residual + slack)
        self._narrow_factor(total, half + added * np.abs(total), value, own)

    def _narrow_factor(self, total: Floats, half: Floats, value: Floats, own: Floats) -> None:
        """total +- half = k (value +- own), for k above 0; rows around 0 bound it on one side."""
        sign = np.where(value < 0, -1.0, 1.0)
        total, value = total * sign, value * sign
        clear: Bools = value > own
        with np.errstate(divide="ignore", invalid="ignore"):
            low = (total - half) / (value + own)
            high = np.where(clear, (total + half) / (value - own), np.inf)
        low, high = low[value + own > 0], high[value + own > 0]
        low = np.where(np.isnan(low), -np.inf, low)
        self.factor.narrow(low, np.where(np.isnan(high), np.inf, high))
