"""A formula as weighted terms, and their values on rows."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from lossaudit.closure.binding import Binding
from lossaudit.closure.rivals import monomial_name
from lossaudit.closure.rows import Rows
from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.bounded import Arithmetic, Bounded
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.normal_form import monomial_expr
from lossaudit.spec.tree import RESERVED, Expr, Name, names, to_float

_EXACT = Arithmetic("float64")


class TermRows(Struct, frozen=True):
    """The rows of a block that count.

    Attributes:
        values: shape (terms, N), the terms before their weights.
        left_out: reason -> rows of the block that do not count.
    """

    values: Floats
    left_out: dict[str, int]


class WeightedTerms(Struct, frozen=True):
    """A formula's monomials; a weight that is logged or scheduled is a factor of its term.

    Attributes:
        names: of the terms, in the formula's order.
        weights: shape (terms,), the numbers that multiply them.
        exprs: the terms.
        tags: every name of the formula but `step` and `epoch` -> its tag.
        own: which of `step` and `epoch` the formula uses.
    """

    names: tuple[str, ...]
    weights: Floats
    exprs: tuple[Expr, ...]
    tags: dict[str, str]
    own: frozenset[str]

    @classmethod
    def of(cls, binding: Binding) -> WeightedTerms:
        """The declared formula on one log that has every name of it."""
        coefficients = binding.form.coefficients
        needed = names(binding.declared)
        return cls(
            tuple(monomial_name(m) for m, _ in coefficients),
            np.array([to_float(c) for _, c in coefficients]),
            tuple(monomial_expr(m) for m, _ in coefficients),
            {n: binding.tags[n] for n in sorted(needed - RESERVED)},
            needed & RESERVED,
        )

    def is_constant(self, place: int) -> bool:
        """Whether a term is a mere number, which no row changes."""
        return not names(self.exprs[place])

    def read(self, rows: Rows) -> TermRows:
        """The terms on the rows that have them all, finite and not all of them 0."""
        columns = self._columns(rows)
        values = self._evaluate(columns, len(rows))
        with np.errstate(over="ignore", invalid="ignore"):
            whole = (np.abs(values) * np.abs(self.weights)[:, None]).sum(axis=0)
        finite = np.isfinite(whole)
        for column in columns.values():  # an infinite factor may hide behind a finite product
            finite &= np.isfinite(column)
        reasons = {
            "a repeated step cannot be paired": rows.ambiguous,
            "a term is missing from the row": self._missing(rows),
            "a term is not finite": ~finite,
            "every term is 0": whole == 0,
        }
        return _kept(values, reasons)

    def _columns(self, rows: Rows) -> dict[str, Floats]:
        columns = {n: rows.values[tag] for n, tag in self.tags.items()}
        if "step" in self.own:
            columns["step"] = rows.step.astype(np.float64)
        if "epoch" in self.own:
            columns["epoch"] = rows.epoch
        return columns

    def _evaluate(self, columns: dict[str, Floats], count: int) -> Floats:
        values = np.empty((len(self.exprs), count))
        exact: dict[str, Bounded] = {}
        for i, expr in enumerate(self.exprs):
            if isinstance(expr, Name):
                values[i] = columns[expr.name]
                continue
            exact = exact or {n: _EXACT.exactly(c) for n, c in columns.items()}
            values[i] = evaluate(expr, exact, _EXACT).value
        return values

    def _missing(self, rows: Rows) -> Bools:
        missing = np.zeros(len(rows), bool)
        for tag in self.tags.values():
            missing |= ~rows.present[tag]
        if "epoch" in self.own:
            missing |= np.isnan(rows.epoch)
        return missing


def _kept(values: Floats, reasons: dict[str, Bools]) -> TermRows:
    """Leave rows out, each counted under its first reason."""
    kept, left_out = np.ones(values.shape[1], bool), {}
    for reason, where in reasons.items():
        if where.any():
            if count := int(np.count_nonzero(where & kept)):
                left_out[reason] = count
            kept &= ~where
    return TermRows(values if kept.all() else values[:, kept], left_out)
