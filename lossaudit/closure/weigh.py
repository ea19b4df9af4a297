"""Decided rows as inequalities in the weights, and how the terms move together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from lossaudit.closure.blocks import weighted_terms
from lossaudit.closure.decide import Block
from lossaudit.closure.program import WeightRows
from lossaudit.model.table import Bools, Floats
from lossaudit.spec.normal_form import Polynomial, monomial_expr
from lossaudit.spec.tree import to_float

LARGEST = 1e100
"""Rows beyond this are left out of the weights' program, whose arithmetic they would overflow."""

MOST_WEIGHTS = 40

TOGETHER = 0.95
"""Correlation above which two terms are said to move together."""


def weigh(form: Polynomial, block: Block, chosen: Bools) -> tuple[WeightRows, Bools] | None:
    """The chosen rows as inequalities in the weights of a formula.

    Args:
        form: the formula's monomials with their declared weights.
        block: the rows.
        chosen: which of them, shape (N,).

    Returns:
        The inequalities and the rows that they stand for; None where the formula has no weights or
        too many.
    """
    coefficients = form.coefficients
    if not chosen.any() or not coefficients or len(coefficients) > MOST_WEIGHTS:
        return None
    values, relative = weighted_terms([monomial_expr(m) for m, _ in coefficients], block)
    shape = block.total.shape
    # one term after the other in memory: sums over terms and over rows are both fast that way
    terms = np.array([np.broadcast_to(v.value, shape) for v in values]).T
    spread = [np.broadcast_to(v.radius + relative * v.magnitude, shape) for v in values]
    with np.errstate(invalid="ignore"):
        usable = chosen & (np.abs(block.total) < LARGEST)
        for i, part in enumerate(spread):
            usable &= (np.abs(terms[:, i]) < LARGEST) & (part < LARGEST)
    eta = 0.5 * len(coefficients) * block.arithmetic.form.smallest_subnormal
    slack = np.broadcast_to(block.total_half + eta, shape)
    signs = np.sign([to_float(c) for _, c in coefficients])
    rows = WeightRows(block.total, terms, slack, np.array(spread).T, signs)
    return (rows if usable.all() else rows.part(usable)), usable


class Moments(Struct):
    """Count, means, products of deviations and ranges of several columns; they merge.

    Products of numbers near 1e300 are infinite, and such columns then correlate with none.

    Attributes:
        low, high: shape (n,), the least and largest value of each column.

    Source:
        Chan, Golub and LeVeque 1983, Algorithms for computing the sample variance.
    """

    count: int = 0
    mean: Floats | None = None
    products: Floats | None = None
    low: Floats | None = None
    high: Floats | None = None

    @np.errstate(over="ignore", invalid="ignore")
    def update(self, values: Floats) -> None:
        """Take in rows, shape (N, n)."""
        if len(values):
            mean = values.mean(axis=0)
            centred = values.T - mean[:, None]
            self._add(
                len(values), mean, centred @ centred.T, values.min(axis=0), values.max(axis=0)
            )

    @np.errstate(over="ignore", invalid="ignore")
    def merge(self, later: Moments) -> None:
        """Take in the rows of another."""
        if later.mean is not None and later.products is not None:
            assert later.low is not None
            assert later.high is not None
            self._add(later.count, later.mean, later.products, later.low, later.high)

    def correlated(self, labels: Sequence[str]) -> tuple[tuple[str, str, float], ...]:
        """Pairs of columns whose values move together with a correlation above 0.95."""
        if self.count < 3 or self.products is None:
            return ()
        size = np.sqrt(np.diag(self.products))
        with np.errstate(divide="ignore", invalid="ignore"):
            matrix = self.products / np.outer(size, size)
        return tuple(
            (labels[i], labels[j], float(matrix[i, j]))
            for i in range(len(labels))
            for j in range(i + 1, len(labels))
            if abs(matrix[i, j]) > TOGETHER
        )

    def constants(self, labels: Sequence[str]) -> dict[str, float]:
        """The columns that have one value on all rows, and that value."""
        if self.low is None or self.high is None:
            return {}
        ends = zip(labels, self.low.tolist(), self.high.tolist(), strict=True)
        return {label: low for label, low, high in ends if low == high}

    def _add(self, count: int, mean: Floats, products: Floats, low: Floats, high: Floats) -> None:
        if self.mean is None or self.products is None or self.low is None or self.high is None:
            self.count, self.mean, self.products = count, mean, products
            self.low, self.high = low, high
            return
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        both, apart = self.count + count, mean - self.mean
        self.products = (
            self.products + products + np.outer(apart, apart) * (self.count * count / both)
        )
        self.mean = self.mean + apart * (count / both)
        self.count = both
