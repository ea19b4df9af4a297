"""Where a formula can have no finite value, whatever rounding did to its terms.

`evaluate` says nothing there: its values are NaN or infinite, or its bounds are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.bounded import Arithmetic, Bounded
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.tree import (
    Call,
    Expr,
    Name,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Where,
    children,
)


class Finiteness(Struct, frozen=True):
    """What is finite in a formula on some rows; every answer has shape (N,) or broadcasts to it.

    Args:
        columns, arithmetic: as for `evaluate`.
    """

    columns: Mapping[str, Bounded]
    arithmetic: Arithmetic

    def takes_part(self, expr: Expr) -> Bools:
        """Where a term that is not finite has a part in the formula, whatever it yields.

        It has none where a `where` takes the other branch, or where its weight is exactly 0, which
        a guard in the training's code may turn into a term that is skipped.
        """
        match expr:
            case Name(name):
                return ~np.isfinite(self.columns[name].value)
            case Product(factors):
                return _any(map(self.takes_part, factors)) & ~self._any_zero(factors)
            case Where(_, chosen, otherwise):
                return self._branch(expr, self.takes_part(chosen), self.takes_part(otherwise))
        return _any(map(self.takes_part, children(expr)))

    def has_no_value(self, expr: Expr) -> Bools:
        """Where finite terms certainly give NaN or infinity, and nothing later makes it finite.

        That is, the interval of a logarithm or a root lies outside its domain, or a denominator is
        exactly 0. An interval that reaches the limit says nothing.
        """
        match expr:
            case Sum(parts):
                return _any(map(self.has_no_value, parts))
            case Product(factors):
                return _any(map(self.has_no_value, factors)) & ~self._any_zero(factors)
            case Negation(operand) | Call("abs", (operand,)):
                return self.has_no_value(operand)
            case Quotient(numerator, denominator):
                return self.has_no_value(numerator) | self._is_zero(denominator)
            case Power(base, exponent):
                return self._power_has_no_value(base, float(exponent.value))
            case Call("log", (operand,)):
                return self.has_no_value(operand) | (self._highest(operand) <= 0)
            case Call("sqrt", (operand,)):
                return self.has_no_value(operand) | (self._highest(operand) < 0)
            case Call("min" | "max", operands):
                return ~_any(~self.has_no_value(o) for o in operands)
            case Where(_, chosen, otherwise):
                return self._branch(expr, self.has_no_value(chosen), self.has_no_value(otherwise))
        return np.zeros((), bool)

    def _power_has_no_value(self, base: Expr, exponent: float) -> Bools:
        outside = np.asarray(exponent != int(exponent)) & (self._highest(base) < 0)
        if exponent > 0:
            return outside | self.has_no_value(base)
        return outside | (self._is_zero(base) & (exponent < 0))

    def _branch(self, where: Where, chosen: Bools, otherwise: Bools) -> Bools:
        """The answer for the branch taken; where either may be, only what holds for both."""
        condition = where.condition
        sides = (self._value(side) for side in (condition.left, condition.right))
        holds, ambiguous = self.arithmetic.select(condition.operator, *sides)
        return np.where(ambiguous, chosen & otherwise, np.where(holds, chosen, otherwise))

    def _value(self, expr: Expr) -> Bounded:
        return evaluate(expr, self.columns, self.arithmetic)

    def _highest(self, expr: Expr) -> Floats:
        """The upper end of the formula's interval."""
        found = self._value(expr)
        with np.errstate(invalid="ignore"):  # -inf and a bound that says nothing: no number
            return found.value + (0.0 if found.exact else self.arithmetic.tolerance(found))

    def _any_zero(self, factors: Iterable[Expr]) -> Bools:
        """Where some factor is a logged or written 0, not one that was rounded to it."""
        found = map(self._value, factors)
        return _any(np.asarray((f.value == 0) & (f.radius == 0)) for f in found)

    def _is_zero(self, expr: Expr) -> Bools:
        """Where the formula is exactly 0 in any arithmetic."""
        match expr:
            case Negation(operand):
                return self._is_zero(operand)
            case Product(factors):
                return _any(map(self._is_zero, factors))
            case Sum((left, right)) if self._is_unrounded(left) and self._is_unrounded(right):
                x, y = self._value(left), self._value(right)
                return np.asarray((x.value == -y.value) & (x.radius == 0) & (y.radius == 0))
        found = self._value(expr)
        known = np.asarray(found.exact) | (self.arithmetic.tolerance(found) == 0)
        return np.asarray((found.value == 0) & known)

    def _is_unrounded(self, expr: Expr) -> bool:
        """Whether training held the very number: a column's, or a literal that its dtype has."""
        match expr:
            case Negation(operand):
                return self._is_unrounded(operand)
            case Number():
                return bool(self.arithmetic.form.holds(self._value(expr).value))
        return isinstance(expr, Name)


def _any(parts: Iterable[Bools]) -> Bools:
    return reduce(np.logical_or, parts, np.zeros((), bool))
