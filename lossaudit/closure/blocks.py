"""Rows + binding -> a block that can be decided: intervals, windows, schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lossaudit.closure.aggregates import (
    accumulation_roundings,
    schedule_is_fixed,
    windows,
)
from lossaudit.closure.binding import Binding
from lossaudit.closure.decide import Block
from lossaudit.closure.keys import Keys
from lossaudit.closure.rows import Rows
from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.bounded import Arithmetic, Bounded
from lossaudit.numerics.formats import FORMATS, gamma
from lossaudit.numerics.resolution import Resolution
from lossaudit.spec.aggregate import Aggregate
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.normal_form import normal_form
from lossaudit.spec.tree import RESERVED, Expr, Name, names

SAMPLES_A_WINDOW = 17


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows ready to be decided.

    Attributes:
        block: as the columns were likely written.
        barred: why some rows must not be decided: reason -> rows.
        cautious: the same rows with every way of writing granted that fits, or None where that
            changes nothing. A row that only `block` refutes is not decided.
        assumption: what would have to be true for such a row to close.
    """

    block: Block
    barred: Mapping[str, Bools]
    cautious: Block | None = None
    assumption: str = ""


def prepare(rows: Rows, binding: Binding, keys: Keys, dtype: str) -> Prepared:
    """Turn logged values into intervals, and bar the rows on which the formula need not hold.

    Args:
        rows: aligned values by tag.
        binding: which tag is which name.
        keys: how steps were found.
        dtype: as declared; the resolution of values on a coarser grid is that grid's.
    """
    assert binding.total is not None
    total = rows.values[binding.total]
    barred = _barred(rows, binding, keys)
    window = _windows(rows, binding, keys)
    magnitude = np.abs(np.where(np.isfinite(total), total, 0.0))
    extra = accumulation_roundings(_accumulated(binding), window, magnitude)
    if np.isnan(extra).any():
        barred["the window of the mean is unknown"] = np.isnan(extra)
    decidable = ~np.logical_or.reduce([*barred.values(), np.zeros(len(rows), bool)])
    extra = np.where(np.isnan(extra), 0.0, extra)
    likely = Arithmetic(binding.dtype, extra)
    block = _block(rows, binding, binding.resolutions, likely, dtype, decidable)
    assumptions = assume(rows, binding, keys)
    if not assumptions:
        return Prepared(block, barred)
    gap = _gap(rows, binding, keys) * FORMATS["float32"].unit_roundoff
    coarse = Arithmetic(binding.cautious_dtype)
    coarse = replace(coarse, extra_roundings=extra + gap / coarse.form.unit_roundoff)
    cautious = _block(rows, binding, binding.cautious, coarse, dtype, decidable)
    return Prepared(block, barred, cautious, " or ".join(assumptions))


def _block(
    rows: Rows,
    binding: Binding,
    resolutions: Mapping[str, Resolution],
    arithmetic: Arithmetic,
    dtype: str,
    decidable: Bools,
) -> Block:
    """The rows as intervals, in one reading of how they were written."""
    assert binding.total is not None
    columns, present = {}, {}
    for name, tag in binding.tags.items():
        half = resolutions[tag].half_width(rows.values[tag], dtype)
        columns[name] = arithmetic.column(rows.values[tag], half)
        present[name] = rows.present[tag]
    for name, values in (("step", rows.step.astype(np.float64)), ("epoch", rows.epoch)):
        columns.setdefault(name, arithmetic.exactly(values))
        present.setdefault(name, np.isfinite(values) if name == "epoch" else _all(rows))
    total = rows.values[binding.total]
    half = resolutions[binding.total].half_width(total, dtype)
    return Block(total, half, columns, present, decidable, arithmetic)


def assume(rows: Rows, binding: Binding, keys: Keys) -> list[str]:
    """What the digits do not exclude, each as the end of "closes only if ..."."""
    found = []
    if binding.cautious_dtype != binding.dtype:
        coarse = binding.cautious_dtype
        found.append(f"the sum was formed in {coarse} (--dtype {coarse})")
    for tag, resolution in binding.resolutions.items():
        wider = binding.cautious[tag]
        if (wider.decimals, wider.digits) != (resolution.decimals, resolution.digits):
            found.append(f"`{tag}` was rounded to {wider.in_words()} when it was written")
    gap = _gap(rows, binding, keys)
    if gap:
        tag = binding.total or ""
        found.append(
            f"`{tag}` is a mean over steps, added up in float32 (--aggregate `{tag}`=mean:{gap})"
        )
    return found


def _gap(rows: Rows, binding: Binding, keys: Keys) -> int:
    """Steps between rows, where the total may be their mean for all that is said; else 0."""
    if binding.has_aggregate or not keys.known or len(rows) < 2:
        return 0
    distance = np.diff(rows.step)
    usual = int(np.median(distance))
    return usual if usual > 1 else 0


def _all(rows: Rows) -> Bools:
    return np.ones(len(rows), bool)


def _windows(rows: Rows, binding: Binding, keys: Keys) -> Floats:
    aggregate = _accumulated(binding)
    by_epoch = any(tag.lower().endswith("epoch") for tag in keys.tags)
    return windows(aggregate, rows.step, rows.known_steps, by_epoch)


def _accumulated(binding: Binding) -> Aggregate:
    """The total's aggregate; off the float32 grid, a mean was accumulated in float64."""
    total = binding.aggregates["total"]
    assert binding.total is not None
    grids = {binding.resolutions[t].grid for t in (binding.total, *binding.tags.values())}
    printed = {binding.resolutions[t].decimals for t in (binding.total, *binding.tags.values())}
    if total.count is None and grids == {"float64"} and printed == {None}:
        return Aggregate(total.kind, None, total.decay, wide=True)
    return total


def _barred(rows: Rows, binding: Binding, keys: Keys) -> dict[str, Bools]:
    barred: dict[str, Bools] = {}
    if rows.ambiguous.any():
        barred[
            "a repeated step cannot be paired: its columns occur a different number of times"
        ] = rows.ambiguous
    if binding.aggregates["total"].kind in ("mean", "sum", "ema", "rank-mean"):
        moving = ~_schedules_fixed(rows, binding, keys)
        if moving.any():
            barred["a scheduled weight changes inside the window"] = moving
    return barred


def _schedules_fixed(rows: Rows, binding: Binding, keys: Keys) -> Bools:
    """Rows in whose window every schedule of the formula keeps one value."""
    window = _windows(rows, binding, keys)
    window = np.where(np.isnan(window), 1.0, window)
    fixed = _all(rows)
    for monomial, _ in normal_form(binding.declared).coefficients:
        for atom, _ in monomial:
            if not isinstance(atom, Name) and names(atom) <= RESERVED and names(atom):
                fixed &= schedule_is_fixed(_sampled(atom, rows, window))
    return fixed


def _sampled(schedule: Expr, rows: Rows, window: Floats) -> Floats:
    """The schedule's values at up to 17 steps of each row's window, shape (samples, N)."""
    arithmetic = Arithmetic("float64")
    last = rows.step.astype(np.float64)
    sampled = []
    for fraction in np.linspace(0.0, 1.0, SAMPLES_A_WINDOW):
        step = np.rint(last - (window - 1) * fraction)
        columns = {"step": arithmetic.exactly(step), "epoch": arithmetic.exactly(rows.epoch)}
        sampled.append(np.broadcast_to(evaluate(schedule, columns, arithmetic).value, last.shape))
    return np.array(sampled)


def weighted_terms(monomials: list[Expr], block: Block) -> tuple[list[Bounded], Floats]:
    """Each monomial's value and bound, and the bound's relative part for the whole sum.

    Returns:
        (values, gamma): `gamma` is what |weight| * magnitude is multiplied by in the tolerance.
    """
    values = [evaluate(m, block.columns, block.arithmetic) for m in monomials]
    longest = max((v.roundings for v in values), default=0)
    roundings = max(2, longest + 2) + len(monomials) - 1
    extra = np.asarray(block.arithmetic.extra_roundings)
    return values, gamma(roundings + extra, block.arithmetic.form.unit_roundoff)
