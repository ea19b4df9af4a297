"""Rows + binding -> a block that can be decided: intervals, windows, schedules."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit.closure.aggregates import (
    accumulation_roundings,
    schedule_is_fixed,
    windows,
)
from lossaudit.closure.binding import Binding
from lossaudit.closure.decide import Block
from lossaudit.closure.keys import Keys
from lossaudit.closure.rows import Rows
from lossaudit.closure.trail import Trail
from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.bounded import Arithmetic
from lossaudit.numerics.formats import FORMATS
from lossaudit.numerics.resolution import Resolution
from lossaudit.spec.aggregate import Aggregate, aggregate_option
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.tree import RESERVED, Expr, Name, names

SAMPLES_A_WINDOW = 17

ACCUMULATED = frozenset({"mean", "sum", "ema", "rank-mean", "trailing"})
"""Aggregates of several steps."""


class Prepared(Struct, frozen=True):
    """Rows ready to be decided.

    Attributes:
        block: as the columns were likely written.
        barred: why some rows must not be decided: reason -> rows.
        cautious: the same rows with every way of writing granted that fits, or None where that
            changes nothing. A row that only `block` refutes is not decided.
        assumption: what would have to be true for such a row to close.
        exact: the same rows as `block`, but terms of few round values are taken to be exact; None
            where there are none.
    """

    block: Block
    barred: Mapping[str, Bools]
    cautious: Block | None = None
    assumption: str = ""
    exact: Block | None = None


class Preparation(Struct):
    """Turns rows, block after block in file order, into intervals, and bars those that say nothing.

    Args:
        binding: which tag is which name.
        keys: how steps were found.
        dtype: as declared; the resolution of values on a coarser grid is that grid's.
        gap: steps between rows, where the total may be their mean for all that is said; else 0.
    """

    binding: Binding
    keys: Keys
    dtype: str
    gap: int = 0
    _largest: float = 0.0
    _before: Trail = field(default_factory=Trail)
    _assumptions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._before = Trail(_trailing(self.binding))
        window = "W" if self.keys.are_epochs else str(self.gap)
        self._assumptions = _assume(self.binding, window if self.gap else "")

    def prepare(self, rows: Rows) -> Prepared:
        """The next rows of the log."""
        binding = self.binding
        barred = _barred(rows, binding, self.keys)
        if not self._before.is_full(len(rows)):
            barred["the window of the trailing mean is not full yet"] = self._before.partial(
                len(rows)
            )
        extra = self._extra_roundings(rows)
        if np.isnan(extra).any():
            barred["the window of the mean is unknown"] = np.isnan(extra)
            extra = np.where(np.isnan(extra), 0.0, extra)
        decidable = np.ones(len(rows), bool)
        for where in barred.values():
            decidable &= ~where
        arithmetic = Arithmetic(binding.dtype, extra)
        lost = binding.likely_sum.lost
        block = self._block(rows, binding.resolutions, lost, arithmetic, decidable)
        exact = None
        if binding.exact:
            finest = {**binding.resolutions, **binding.exact}
            exact = self._block(rows, finest, lost, arithmetic, decidable)
        cautious = None
        if self._assumptions:
            gap = self.gap * FORMATS["float32"].unit_roundoff
            gathered = self._before.gathered(len(rows))
            coarse = Arithmetic(binding.cautious_sum.dtype)
            extra = extra + gathered + gap / coarse.form.unit_roundoff
            coarse = replace(coarse, extra_roundings=extra)
            lost = binding.cautious_sum.lost
            cautious = self._block(rows, binding.cautious, lost, coarse, decidable)
        self._before.pass_on(rows.values, rows.present, len(rows))
        return Prepared(block, barred, cautious, " or ".join(self._assumptions), exact)

    def _block(
        self,
        rows: Rows,
        resolutions: Mapping[str, Resolution],
        lost: Mapping[str, float],
        arithmetic: Arithmetic,
        decidable: Bools,
    ) -> Block:
        """The rows as intervals, in one reading of how they were written."""
        binding = self.binding
        assert binding.total is not None
        columns, present = {}, {}
        for name, tag in binding.tags.items():
            values = self._before.joined(tag, rows.values[tag])
            half = resolutions[tag].half_width(values, self.dtype)
            if tag in lost:
                half = half + lost[tag] * np.where(np.isfinite(values), np.abs(values), 0.0)
            columns[name] = arithmetic.column(*self._before.means(values, half, len(rows)))
            present[name] = self._before.held(tag, rows.present[tag])
        for name, values in (("step", rows.step.astype(np.float64)), ("epoch", rows.epoch)):
            columns.setdefault(name, arithmetic.exactly(values))
            present.setdefault(name, np.isfinite(values) if name == "epoch" else _all(rows))
        total = rows.values[binding.total]
        half = resolutions[binding.total].half_width(total, self.dtype)
        return Block(total, half, columns, present, decidable, arithmetic)

    def _extra_roundings(self, rows: Rows) -> Floats:
        """What accumulating adds to each row's bound; shape () where it is the same for all."""
        total = _accumulated(self.binding)
        if total.kind not in ACCUMULATED:
            return np.zeros(())
        size = rows.values[self.binding.total or ""]
        size = np.abs(np.where(np.isfinite(size), size, 0.0))
        largest = np.maximum.accumulate(np.concatenate([[self._largest], size]))[1:]
        self._largest = float(largest[-1]) if len(largest) else self._largest
        window = _windows(rows, self.binding, self.keys)
        extra = accumulation_roundings(total, window, size, largest)
        return extra[0] if len(extra) and np.all(extra == extra[0]) else extra


def _assume(binding: Binding, window: str) -> list[str]:
    """What the digits do not exclude, each as the end of "closes only if ..."."""
    found = []
    coarse = binding.cautious_sum.dtype
    if coarse != binding.dtype:
        what = "the sum was" if binding.cautious_sum.total_fits else "parts of the sum were"
        found.append(f"{what} formed in {coarse} (--dtype {coarse})")
    for tag in binding.cautious_sum.lost:
        coarse = binding.cautious[tag].grid
        found.append(f"`{tag}` was multiplied or added to others in {coarse} (--dtype {coarse})")
    for tag, resolution in binding.resolutions.items():
        wider, mixture = binding.cautious[tag], binding.cautious[tag].mixture
        if mixture is not None and mixture.ways and mixture != resolution.mixture:
            ways = " or ".join(mixture.in_words())
            found.append(f"some values of `{tag}` were rounded to {ways} when they were written")
        elif wider.shortest and wider.shortest != resolution.shortest:
            found.append(f"`{tag}` was rounded to {wider.shortest} when it was written")
        elif _digits(wider) != _digits(resolution):
            found.append(f"`{tag}` was rounded to {wider.in_words()} when it was written")
    if any(r.mixture is not None and r.mixture.is_doubt for r in binding.cautious.values()):
        found.append("some value was rounded to no more digits than it shows")
    if window:
        option = aggregate_option(binding.total or "", f"mean:{window}")
        found.append(f"`{binding.total}` is a mean over steps, added up in float32 ({option})")
    if _trailing(binding):
        found.append("its running mean was updated from step to step, which gathers roundings")
    return found


def _digits(resolution: Resolution) -> tuple[int | None, ...]:
    return resolution.decimals, resolution.digits


def _trailing(binding: Binding) -> int:
    """Rows of the total's trailing mean; 0 where it is none."""
    total = binding.aggregates["total"]
    return total.count or 0 if total.kind == "trailing" else 0


def _all(rows: Rows) -> Bools:
    return np.ones(len(rows), bool)


def _windows(rows: Rows, binding: Binding, keys: Keys) -> Floats:
    aggregate = _accumulated(binding)
    return windows(aggregate, rows.step, rows.known_steps, keys.count_epochs, rows.previous)


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
    if binding.aggregates["total"].kind in ACCUMULATED:
        moving = ~_schedules_fixed(rows, binding, keys)
        if moving.any():
            barred["a scheduled weight changes inside the window"] = moving
    return barred


def _schedules_fixed(rows: Rows, binding: Binding, keys: Keys) -> Bools:
    """Rows in whose window every schedule of the formula keeps one value."""
    window = _windows(rows, binding, keys)
    window = np.where(np.isnan(window), 1.0, window)
    fixed = _all(rows)
    for monomial, _ in binding.form.coefficients:
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
