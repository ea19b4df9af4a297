"""Decided rows as inequalities in the weights, and how the terms move together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from lossaudit.closure.decide import Block
from lossaudit.closure.linear import stacked
from lossaudit.closure.program import WeightRows
from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.bounded import Bounded
from lossaudit.numerics.formats import gamma
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.normal_form import Polynomial, monomial_expr
from lossaudit.spec.tree import Expr, to_float

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
    values, relative = _weighted_terms([monomial_expr(m) for m, _ in coefficients], block)
    count = len(block.total)
    # one term after the other in memory: sums over terms and over rows are both fast that way
    terms = stacked([v.value for v in values], count)
    spread = stacked([relative * v.magnitude for v in values], count)
    for part, value in zip(spread, values, strict=True):
        part += value.radius
    usable = chosen
    if not all(_is_moderate(a) for a in (block.total, terms, spread)):
        with np.errstate(invalid="ignore"):
            moderate = np.abs([block.total, *terms, *spread]) < LARGEST
        usable = chosen & moderate.all(axis=0)
    eta = 0.5 * len(coefficients) * block.arithmetic.form.smallest_subnormal
    slack = np.broadcast_to(block.total_half + eta, block.total.shape)
    signs = np.sign([to_float(c) for _, c in coefficients])
    rows = WeightRows(block.total, terms.T, slack, spread.T, signs)
    return (rows if usable.all() else rows.part(usable)), usable


def _is_moderate(values: Floats) -> bool:
    """Whether all values are finite, and below what would overflow the weights' program."""
    return bool(values.min() > -LARGEST and values.max() < LARGEST)  # False beside a NaN


def _weighted_terms(monomials: Sequence[Expr], block: Block) -> tuple[list[Bounded], Floats]:
    """Each monomial's value and bound, and the bound's relative part for the whole sum.

    Returns:
        (values, gamma): `gamma` is what |weight| * magnitude is multiplied by in the tolerance.
    """
    values = [evaluate(m, block.columns, block.arithmetic) for m in monomials]
    longest = max((v.roundings for v in values), default=0)
    roundings = max(2, longest + 2) + len(monomials) - 1
    extra = np.asarray(block.arithmetic.extra_roundings)
    return values, gamma(roundings + extra, block.arithmetic.form.unit_roundoff)


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
