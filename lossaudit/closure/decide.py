"""One formula on rows: consistent, refuted, or undecided, row by row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.bounded import Arithmetic, Bounded
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.finiteness import Finiteness
from lossaudit.spec.tree import Expr


class Block(Struct, frozen=True):
    """Aligned rows, ready to be decided; all arrays of shape (N,).

    Attributes:
        total, total_half: the logged total and the half-width of its interval.
        columns: the formula's names -> value with the half-width of what was logged.
        present: the formula's names -> whether the row has that value.
        decidable: False where something other than a missing value forbids a decision.
        arithmetic: dtype of the sum and what aggregates add.
    """

    total: Floats
    total_half: Floats
    columns: Mapping[str, Bounded]
    present: Mapping[str, Bools]
    decidable: Bools
    arithmetic: Arithmetic


class Decision(Struct, frozen=True):
    """A formula's outcome on each row, all arrays of shape (N,).

    Attributes:
        recomputed, residual, tolerance: the formula's value, total - recomputed, and the largest
            |residual| that rounding explains; no finite residual where `nonfinite`.
        decided: rows on which the formula was put to the test.
        refuted: rows on which it failed; a subset of `decided`.
        nonfinite: refuted rows on which exactly one side is not finite: the total, or the formula
            or a term that has a part in it.
        missing: rows that lack a term.
        vague: rows with all terms that still could not be decided (both sides not finite, a
            denominator around 0, a sum too long for its dtype).
    """

    recomputed: Floats
    residual: Floats
    tolerance: Floats
    decided: Bools
    refuted: Bools
    nonfinite: Bools
    missing: Bools
    vague: Bools


def decide(expr: Expr, needed: frozenset[str], block: Block) -> Decision:
    """Put a formula to the test on every row.

    Args:
        expr: over the names in `block.columns`.
        needed: the names whose values a row must have.
        block: the rows.
    """
    shape = block.total.shape
    missing = np.zeros(shape, bool)
    for name in needed:
        missing |= ~block.present[name]
    outcome = evaluate(expr, block.columns, block.arithmetic)
    outcome = replace(outcome, roundings=max(outcome.roundings, 2))
    value = np.broadcast_to(np.asarray(outcome.value, np.float64), shape)
    with np.errstate(invalid="ignore", over="ignore"):
        tolerance = np.broadcast_to(block.arithmetic.tolerance(outcome), shape) + block.total_half
        residual = block.total - value
        beyond = np.abs(residual) > tolerance
    finite_total, finite_value = np.isfinite(block.total), np.isfinite(value)
    one_sided = ~finite_total & finite_value
    one_sided |= np.isinf(block.total) & np.isinf(value) & (np.sign(block.total) != np.sign(value))
    one_sided &= ~_overflowed(block, value, tolerance) & ~np.isposinf(outcome.radius)
    testable = ~missing & block.decidable
    suspect = testable & finite_total & ~(finite_value & _finite_terms(needed, block, shape))
    if suspect.any():
        finiteness = Finiteness(block.columns, block.arithmetic)
        one_sided |= suspect & (finiteness.takes_part(expr) | finiteness.has_no_value(expr))
    both_finite = finite_total & finite_value & np.isfinite(tolerance)
    decided = testable & (both_finite | one_sided)
    refuted = decided & ((both_finite & beyond) | one_sided)
    return Decision(
        value,
        np.where(one_sided & np.isfinite(residual), np.nan, residual),
        tolerance,
        decided,
        refuted,
        refuted & one_sided,
        missing,
        testable & ~decided,
    )


def _finite_terms(needed: frozenset[str], block: Block, shape: tuple[int, ...]) -> Bools:
    finite = np.ones(shape, bool)
    for name in needed:
        finite &= np.isfinite(block.columns[name].value)
    return finite


def _overflowed(block: Block, value: Floats, tolerance: Floats) -> Bools:
    """An infinite total is no contradiction where the formula exceeds what the dtype can hold."""
    largest = block.arithmetic.form.largest
    with np.errstate(invalid="ignore"):
        reached = np.abs(value) + np.where(np.isfinite(tolerance), tolerance, 0.0) >= largest
    same_sign = np.sign(block.total) == np.sign(value)
    return np.asarray(np.isinf(block.total) & same_sign & reached)
