"""A formula as a polynomial: equal normal forms mean equal formulas, whatever their text.

Monomials map to exact coefficients. What is no polynomial (max, exp, a schedule, a quotient by a
term) is an atom of its own, named by its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from msgspec import Struct

from lossaudit.spec.formula_text import render
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
    rebuild,
)

MOST_MONOMIALS = 20_000
MOST_PRODUCTS = 200_000
LARGEST_POWER = 8
LARGEST_DEGREE = 64
LARGEST_COEFFICIENT = Fraction(10**300)
LONGEST_DENOMINATOR = 8192
_ZERO, _ONE = Number(Fraction(0), "0"), Number(Fraction(1), "1")

Monomial = tuple[tuple[Expr, int], ...]
"""Atoms with their powers, sorted by text; () is the constant 1."""


class Polynomial(Struct, frozen=True):
    """Exact coefficients by monomial; no coefficient is 0."""

    coefficients: tuple[tuple[Monomial, Fraction], ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and dict(self.coefficients) == dict(other.coefficients)

    def __hash__(self) -> int:
        return hash(frozenset(self.coefficients))


def normal_form(expr: Expr) -> Polynomial:
    """The polynomial that `expr` is; one opaque atom where expansion would grow too large."""
    expansion = _Expansion()
    expanded = expansion.of(rebuild(expr, _plain_numbers))
    return Polynomial(
        tuple(
            (tuple((expansion.atoms[text], power) for text, power in monomial), coefficient)
            for monomial, coefficient in expanded.items()
            if coefficient
        )
    )


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


Terms = dict[tuple[tuple[str, int], ...], Fraction]
"""Coefficients by monomial while a formula is expanded; atoms stand there as their text."""


class _Expansion:
    """One formula's expansion, with a limit on its work and on the size of what it makes."""

    def __init__(self) -> None:
        self.atoms: dict[str, Expr] = {}
        self.work = MOST_PRODUCTS

    def of(self, expr: Expr) -> Terms:
        """The polynomial that `expr` is, or an atom where it is none or grows too large."""
        terms = self.polynomial(expr)
        return self.atom(expr) if terms is None or _is_too_large(terms) else terms

    def atom(self, expr: Expr) -> Terms:
        text = render(expr)
        self.atoms[text] = expr
        return {((text, 1),): Fraction(1)}

    def polynomial(self, expr: Expr) -> Terms | None:
        match expr:
            case Number(value, _):
                return {(): value}
            case Sum(addends):
                return _add(map(self.of, addends))
            case Negation(operand):
                return {m: -c for m, c in self.of(operand).items()}
            case Product(factors):
                return self.product(self.of(f) for f in factors)
            case Quotient(numerator, Number(value, _)) if value:
                return {m: c / value for m, c in self.of(numerator).items()}
            case Power(base, exponent):
                power = exponent.value
                if power.denominator == 1 and 1 <= power <= LARGEST_POWER:
                    return self.product([self.of(base)] * int(power))
            case Where(condition, chosen, otherwise) if names(condition) <= RESERVED:
                ends = (chosen, True), (otherwise, False)
                if not _is_indicator(expr):
                    products = [
                        self.product([self.of(e), self.gate(condition, h)]) for e, h in ends
                    ]
                    return None if None in products else _add(p for p in products if p is not None)
        return None

    def gate(self, condition: Comparison, holds: bool) -> Terms:
        """where(condition, 1, 0), or its opposite, as an atom."""
        ends = (_ONE, _ZERO) if holds else (_ZERO, _ONE)
        return self.atom(Where(condition, *ends))

    def product(self, factors: Iterable[Terms]) -> Terms | None:
        product: Terms = {(): Fraction(1)}
        for factor in factors:
            size = len(product) * len(factor)
            self.work -= size
            if size > MOST_MONOMIALS or self.work < 0 or _is_too_large(product):
                return None
            product = _multiply(product, factor)
        return product


def _is_indicator(expr: Where) -> bool:
    """Whether the branches are 1 and 0 already, so that this is an atom as it stands."""
    ends = [e.value for e in (expr.chosen, expr.otherwise) if isinstance(e, Number)]
    return sorted(ends) == [0, 1]


def _is_too_large(terms: Terms) -> bool:
    """Whether a coefficient is out of what float64 holds, or something too long to go on with."""
    return any(
        abs(coefficient) > LARGEST_COEFFICIENT
        or coefficient.denominator.bit_length() > LONGEST_DENOMINATOR
        or any(power > LARGEST_DEGREE for _, power in monomial)
        for monomial, coefficient in terms.items()
    )


def _plain_numbers(node: Expr) -> Expr:
    """1.0, 1 and 1e0 are one number: give it one text."""
    match node:
        case Number(value, _):
            small = value.denominator == 1 and abs(value) < 10**15
            return Number(value, str(value)) if small else number(value)
        case Power(base, Number(value, _)) if value.denominator == 1:
            return Power(base, Number(value, str(value)))
        case Power(base, exponent):
            return Power(base, number(exponent.value))
        case _:
            return node


def _add(parts: Iterable[Terms]) -> Terms:
    total: Terms = {}
    for part in parts:
        for monomial, coefficient in part.items():
            total[monomial] = total.get(monomial, Fraction(0)) + coefficient
    return total


def _multiply(left: Terms, right: Terms) -> Terms:
    product: Terms = {}
    for m, c in left.items():
        for n, d in right.items():
            powers = dict(m)
            for atom, power in n:
                powers[atom] = powers.get(atom, 0) + power
            key = tuple(sorted(powers.items()))
            product[key] = product.get(key, Fraction(0)) + c * d
    return product


def in_backquotes(name: str) -> str:
    """A name for a message: in backquotes once, also where a formula writes it so already."""
    return name if "`" in name else f"`{name}`"
