"""A set of terms -> a formula with plain weights, as a tree and as text."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from msgspec import Struct

from lossaudit.closure.identify.certify import Bounds, least_squares, narrowed, outer_bounds
from lossaudit.closure.identify.sample import Sample
from lossaudit.closure.program import WeightRows
from lossaudit.numerics.plain_numbers import plain_text, read_interval
from lossaudit.spec.formula_text import render
from lossaudit.spec.tree import Expr, Name, Negation, Number, Product, Quotient, Sum, number

MOST_DIGITS = 12


class Weighted(Struct, frozen=True):
    """A formula: tags with their weights, in the log's order."""

    weights: dict[str, Fraction]

    @property
    def tree(self) -> Expr:
        """As the audit evaluates it; what is subtracted comes last, which reads best."""
        ordered = sorted(self.weights.items(), key=lambda item: item[1] < 0)
        addends = tuple(_addend(tag, weight) for tag, weight in ordered)
        return addends[0] if len(addends) == 1 else Sum(addends)

    @property
    def text(self) -> str:
        """As a user writes it."""
        return render(self.tree)


def _addend(tag: str, weight: Fraction) -> Expr:
    size, name = abs(weight), Name(tag)
    body: Expr = name if size == 1 else Product((_literal(size), name))
    return Negation(body) if weight < 0 else body


def _literal(size: Fraction) -> Expr:
    text = plain_text(size)
    if "/" in text:
        parts = number(Fraction(size.numerator)), number(Fraction(size.denominator))
        return Quotient(*(Number(p.value, str(p.value)) for p in parts))
    return Number(size, text)


def plain_weights(
    sample: Sample, terms: Sequence[int], bounds: Bounds | None
) -> tuple[Fraction, ...] | None:
    """Plain weights that together fit every row; None where none were found.

    All that are simplest in their intervals, else one after the other: a weight that is fixed
    narrows the intervals of the rest.
    """
    rows = sample.inequalities(terms)
    ones = np.ones(len(terms))
    if rows.are_satisfied_by(ones):
        return (Fraction(1),) * len(terms)
    if bounds is None or not bounds.excludes_zero().all():
        return _rounded(rows)
    simplest = [_simplest(bounds, i) for i in range(len(terms))]
    if rows.are_satisfied_by(np.array(list(map(float, simplest)))):
        return tuple(simplest)
    return _one_by_one(rows, bounds) or _rounded(rows)


def _rounded(rows: WeightRows) -> tuple[Fraction, ...] | None:
    """The weights of least squares in as few digits as fit; None where none do."""
    guess = least_squares(rows).tolist()
    for digits in range(1, MOST_DIGITS + 1):
        weights = [float(f"{w:.{digits - 1}e}") for w in guess]
        if all(weights) and rows.are_satisfied_by(np.array(weights)):
            return tuple(Fraction(repr(w)) for w in weights)
    return None


def _one_by_one(rows: WeightRows, bounds: Bounds) -> tuple[Fraction, ...] | None:
    fixed: dict[int, Fraction] = {}
    size = len(bounds.low)
    free = sorted(range(size), key=lambda i: _width(bounds, i))
    while free:
        place = free.pop(0)
        at = sorted([place, *free]).index(place)
        fixed[place] = _simplest(bounds, at)
        if not free:
            break
        left = outer_bounds(_remaining(rows, fixed, sorted(free)))
        left = left and narrowed(_remaining(rows, fixed, sorted(free)), left)
        if left is None or not left.excludes_zero().all():
            return None
        bounds = left
    weights = tuple(fixed[i] for i in range(size))
    return weights if rows.are_satisfied_by(np.array(list(map(float, weights)))) else None


def _remaining(rows: WeightRows, fixed: dict[int, Fraction], free: Sequence[int]) -> WeightRows:
    """The rows as inequalities in the other weights, once some are fixed."""
    places = list(fixed)
    weights = np.array([float(w) for w in fixed.values()])
    return WeightRows(
        rows.total - rows.terms[:, places] @ weights,
        rows.terms[:, free],
        rows.slack + rows.spread[:, places] @ np.abs(weights),
        rows.spread[:, free],
        rows.signs[free],
        rows.effort,
    )


def _simplest(bounds: Bounds, i: int) -> Fraction:
    return read_interval(float(bounds.low[i]), float(bounds.high[i])).value


def _width(bounds: Bounds, i: int) -> float:
    return float((bounds.high[i] - bounds.low[i]) / bounds.sizes[i])
