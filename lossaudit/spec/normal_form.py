"""A formula as a polynomial: equal normal forms mean equal formulas, whatever their text.

Monomials map to exact coefficients. What is no polynomial (max, exp, a schedule, a quotient by a
term) is an atom of its own, named by its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from lossaudit.spec.tree import (
    RESERVED,
    Comparison,
    Expr,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Where,
    names,
    number,
    render,
)

MOST_MONOMIALS = 20_000
LARGEST_POWER = 8

Monomial = tuple[tuple[Expr, int], ...]
"""Atoms with their powers, sorted by text; () is the constant 1."""


@dataclass(frozen=True, slots=True)
class Polynomial:
    """Exact coefficients by monomial; no coefficient is 0."""

    coefficients: tuple[tuple[Monomial, Fraction], ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and dict(self.coefficients) == dict(other.coefficients)

    def __hash__(self) -> int:
        return hash(frozenset(self.coefficients))


def normal_form(expr: Expr) -> Polynomial:
    """The polynomial that `expr` is; one opaque atom where expansion would grow too large."""
    expanded = _expand(expr)
    kept = {m: c for m, c in expanded.items() if c}
    return Polynomial(tuple(kept.items()))


def to_expr(polynomial: Polynomial) -> Expr:
    """A formula with that normal form; 0 for the empty polynomial."""
    addends = [_addend(m, c) for m, c in polynomial.coefficients]
    if not addends:
        return number(Fraction(0))
    return Sum(tuple(addends)) if len(addends) > 1 else addends[0]


def monomial_expr(monomial: Monomial) -> Expr:
    """The product of a monomial's atoms; 1 for ()."""
    factors = [a for atom, power in monomial for a in [atom] * power]
    if not factors:
        return number(Fraction(1))
    return Product(tuple(factors)) if len(factors) > 1 else factors[0]


def _addend(monomial: Monomial, coefficient: Fraction) -> Expr:
    sign, size = coefficient < 0, abs(coefficient)
    body = monomial_expr(monomial)
    if size != 1 or not monomial:
        body = Product((number(size), body)) if monomial else number(size)
    return Negation(body) if sign else body


def _expand(expr: Expr) -> dict[Monomial, Fraction]:
    match expr:
        case Number(value, _):
            return {(): value}
        case Sum(addends):
            return _add(map(_expand, addends))
        case Negation(operand):
            return {m: -c for m, c in _expand(operand).items()}
        case Product(factors):
            product = _expand(factors[0])
            for factor in factors[1:]:
                product = _multiply(product, _expand(factor))
            return product if product else {(): Fraction(0)}
        case Quotient(numerator, Number(value, _)) if value:
            return {m: c / value for m, c in _expand(numerator).items()}
        case Power(base, exponent):
            power = exponent.value
            if power.denominator == 1 and 1 <= power <= LARGEST_POWER:
                return _expand(Product((base,) * int(power)) if power > 1 else base)
        case Where(condition, chosen, otherwise) if _is_schedule(expr):
            parts = (chosen, True), (otherwise, False)
            return _add(_multiply(_expand(e), _indicator(condition, h)) for e, h in parts)
    return {((expr, 1),): Fraction(1)}


def _is_schedule(expr: Where) -> bool:
    """Whether the condition depends on the step alone and the branches are more than 0 and 1."""
    ends = [e.value for e in (expr.chosen, expr.otherwise) if isinstance(e, Number)]
    return names(expr.condition) <= RESERVED and sorted(ends) != [0, 1]


def _indicator(condition: Comparison, holds: bool) -> dict[Monomial, Fraction]:
    """where(condition, 1, 0), or its opposite, as an atom."""
    one, zero = Number(Fraction(1), "1"), Number(Fraction(0), "0")
    atom = Where(condition, one, zero) if holds else Where(condition, zero, one)
    return {((atom, 1),): Fraction(1)}


def _add(parts: Iterable[dict[Monomial, Fraction]]) -> dict[Monomial, Fraction]:
    total: dict[Monomial, Fraction] = {}
    for part in parts:
        for monomial, coefficient in part.items():
            total[monomial] = total.get(monomial, Fraction(0)) + coefficient
    return total


def _multiply(
    left: dict[Monomial, Fraction], right: dict[Monomial, Fraction]
) -> dict[Monomial, Fraction]:
    if len(left) * len(right) > MOST_MONOMIALS:
        opaque = Product((_collapse(left), _collapse(right)))
        return {((opaque, 1),): Fraction(1)}
    product: dict[Monomial, Fraction] = {}
    for m, c in left.items():
        for n, d in right.items():
            powers = dict(m)
            for atom, power in n:
                powers[atom] = powers.get(atom, 0) + power
            key = tuple(sorted(powers.items(), key=lambda item: render(item[0])))
            product[key] = product.get(key, Fraction(0)) + c * d
    return product


def _collapse(terms: dict[Monomial, Fraction]) -> Expr:
    return to_expr(Polynomial(tuple(sorted(terms.items(), key=lambda item: repr(item)))))
