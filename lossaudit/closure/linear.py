"""The fast way for plain weighted sums: all formulas at once, as products of matrices.

`decide` evaluates any formula, operation by operation. Most formulas are numbers times terms, and
most blocks of a log have all their values and no NaN: there the value and the bound of every
formula are linear in the terms and their sizes. `decide` is the oracle of this module in tests.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from lossaudit.closure.decide import Block
from lossaudit.model.table import Floats
from lossaudit.numerics.bounded import Arithmetic
from lossaudit.numerics.formats import FORMATS, gamma
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.tree import RESERVED, Expr, Name, Negation, Number, Product, Sum, to_float


class Linear(Struct, frozen=True):
    """A formula that is a sum of numbers times names, each name once.

    Attributes:
        weights: by name.
        constant: what is added.
        roundings, floor: as `evaluate` gives them; they do not depend on the values.
    """

    weights: dict[str, float]
    constant: float
    roundings: int
    floor: float


def as_linear(expr: Expr, arithmetic: Arithmetic) -> Linear | None:
    """The formula as a weighted sum, or None where it is none."""
    weights: dict[str, float] = {}
    constants: list[float] = []
    if not _collect(expr, 1.0, weights, constants) or not weights:
        return None
    if not (all(weights.values()) and np.isfinite([*weights.values(), *constants]).all()):
        return None
    ones = {n: arithmetic.column(np.ones(()), np.zeros(())) for n in weights}
    outcome = evaluate(expr, ones, arithmetic)
    return Linear(weights, sum(constants), max(outcome.roundings, 2), float(outcome.floor))


def _collect(expr: Expr, factor: float, weights: dict[str, float], constants: list[float]) -> bool:
    """Gather the weights of a sum; False where it is something else, or a name comes twice."""
    match expr:
        case Number(value, _):
            constants.append(factor * to_float(value))
        case Name(name):
            if name in weights or name in RESERVED:
                return False
            weights[name] = factor
        case Negation(operand):
            return _collect(operand, -factor, weights, constants)
        case Sum(addends):
            return all(_collect(a, factor, weights, constants) for a in addends)
        case Product(factors):
            numbers = [_number(f) for f in factors]
            others = [f for f, n in zip(factors, numbers, strict=True) if n is None]
            factor = float(np.prod([factor, *(n for n in numbers if n is not None)]))
            return len(others) == 1 and _collect(others[0], factor, weights, constants)
        case _:
            return False
    return True


def _number(expr: Expr) -> float | None:
    """The number that a factor is, perhaps behind a minus sign, or None."""
    match expr:
        case Number(value, _):
            return to_float(value)
        case Negation(Number(value, _)):
            return -to_float(value)
        case _:
            return None


class Terms(Struct, frozen=True):
    """The terms of a block as matrices, one row for each name.

    Attributes:
        names: in the order of the rows.
        values: shape (n, N).
        halves: half-widths, shape (n, N), or (n, 1) where each column has one for all its rows.
        sizes: |values| + halves, shape (n, N).
    """

    names: tuple[str, ...]
    values: Floats
    halves: Floats
    sizes: Floats


def terms_of(names: Sequence[str], block: Block) -> Terms | None:
    """The terms as matrices, or None where some row lacks one or is not finite."""
    if not block.decidable.all() or not np.isfinite(block.total).all():
        return None
    if not all(block.present[n].all() for n in names):
        return None
    columns, count = [block.columns[n] for n in names], len(block.total)
    values = stacked([c.value for c in columns], count)
    if not np.isfinite(values).all():
        return None
    sizes = stacked([c.magnitude for c in columns], count)
    same = all(c.radius.ndim == 0 for c in columns)
    halves = stacked([c.radius for c in columns], 1 if same else count)
    return Terms(tuple(names), values, halves, sizes)


def stacked(columns: Sequence[Floats], count: int) -> Floats:
    """Columns as the rows of a matrix, shape (n, count); a scalar fills its row."""
    matrix = np.empty((len(columns), count))
    for row, column in zip(matrix, columns, strict=True):
        row[:] = column
    return matrix


def evaluate_all(
    formulas: Sequence[Linear], terms: Terms, block: Block
) -> tuple[Floats, Floats] | None:
    """Every formula's value and tolerance on every row, the total's half-width included.

    Returns:
        Two arrays of shape (formulas, N); None where a bound is infinite or a value overflows.
    """
    weights = np.array([[f.weights.get(n, 0.0) for n in terms.names] for f in formulas])
    constants = np.array([[f.constant] for f in formulas])
    floors = np.array([[f.floor] for f in formulas])
    roundings = np.array([[f.roundings] for f in formulas])
    relative = gamma(
        roundings + np.asarray(block.arithmetic.extra_roundings),
        block.arithmetic.form.unit_roundoff,
    )
    relative = relative + gamma(roundings + 2, FORMATS["float64"].unit_roundoff)
    with np.errstate(over="ignore", invalid="ignore"):
        values = weights @ terms.values
        sizes = np.abs(weights)
        tolerances = sizes @ terms.sizes
        if constants.any():
            values += constants
            tolerances += np.abs(constants)
        tolerances *= relative
        tolerances += sizes @ terms.halves + floors
        tolerances += block.total_half
    if not (np.isfinite(tolerances).all() and np.isfinite(values).all()):
        return None
    return values, tolerances
