"""How finely a column was written: the half-width of the interval that a logged number stands for.

The ways of writing that fit *all* values of a column are collected (d decimals; s significant
digits; a binary grid), and value by value the widest half-width counts. Rounding to decimals and
to a binary grid happen one after the other, so their half-widths add up. The largest number of
decimals alone is not enough: on a `%.4g` log it is far too narrow for the larger values.

Few or coarse values fit ways that nobody used: 0.5 and 0.25 lie on every grid. So a column has two
readings. The likely one believes in a way only where values would not fit it by chance; a formula
must hold under it to pass. The cautious one grants every way that fits; a row must be beyond it to
fail. What lies between is not decided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lossaudit.model.table import Column, Floats
from lossaudit.numerics.digits import (
    MOST_DIGITS,
    decimals_before_storage,
    digit_spacing,
    digits_before_storage,
    fewest_decimals,
    fewest_digits,
    is_redundant,
    is_shortest_float32,
    is_tqdm,
)
from lossaudit.numerics.formats import FORMATS, FloatFormat

CHANCE = math.log(1e-6)
"""A coarse grid is believed only where values would lie on it by chance less often than this."""

FEW = 32
"""A column of fewer different values, often repeated, may be a schedule: exact numbers."""

REPEATS = 8
"""How often the values of such a column are repeated, on average."""

LAST_BITS = 0.25
"""Share of values that must need the last two bits of a coarse grid; 3 in 4 do on a real one."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The ways of writing that fit every value of a column.

    Attributes:
        decimals: digits after the decimal point, or None where no number up to 15 fits.
        digits: significant digits, or None where no number up to 15 fits.
        grid: the coarsest binary format that holds every value, or nearly so where few digits
            were printed. It is a claim about how values were stored or computed.
        narrowed: the format to which writing itself may have rounded, or None.
        shortest: True where float32 numbers may have been printed with the fewest digits that
            identify them, which leaves up to half a float32 ulp.
        certain: False where the decimals of narrow storage may be an accident: then the wider of
            the two half-widths counts, not their sum, and nobody is told of the decimals.
        coarse: True where `grid` is coarser than the storage, so that values themselves lie on it.
        constant: True where fewer than two different non-zero values say anything at all.
        few: True where the values are so few that they may be exact numbers of few digits.
        fixed: True where the text shows the same number of decimals everywhere.
    """

    decimals: int | None = None
    digits: int | None = None
    grid: str = "float64"
    narrowed: str | None = None
    shortest: bool = False
    certain: bool = True
    coarse: bool = False
    constant: bool = False
    few: bool = False
    fixed: bool = False

    def half_width(self, values: Floats, dtype: str) -> Floats:
        """Half the width of the interval that each value stands for, shape (N,).

        Args:
            values: logged values; NaN and infinities give 0.
            dtype: of the sum in training. Values on a grid at least as fine were not narrowed when
                they were written, so only their printed digits count.
        """
        printed, stored = np.zeros(len(values)), np.zeros(len(values))
        if self.decimals is not None:
            printed = np.maximum(printed, 0.5 * 10.0**-self.decimals)
        if self.digits is not None:
            printed = np.maximum(printed, 0.5 * digit_spacing(values, self.digits))
        if self.shortest:
            printed = np.maximum(printed, 0.5 * FORMATS["float32"].ulp(values))
        for name in self._narrowing_grids(dtype):
            # just below a power of two, the number that was printed may have stood above it
            stored = np.maximum(stored, 0.5 * FORMATS[name].ulp(np.abs(values) + printed))
        # stored then printed, or rounded then stored: the two add up
        widths = printed + stored if self.certain else np.maximum(printed, stored)
        return np.where(np.isfinite(values), widths, 0.0)

    def _narrowing_grids(self, dtype: str) -> set[str]:
        grids = {self.narrowed} if self.narrowed else set()
        if self.grid != dtype:
            grids.add(self.grid)
        return grids

    def in_words(self) -> str:
        """Short text for reports, such as "4 decimals" or "float32, bfloat16 lattice"."""
        if self.constant:
            return "constant"
        words = []
        if self.decimals is not None and self.certain and (not self.digits or self.decimals < 8):
            words.append(f"{self.decimals} decimal{'s' * (self.decimals != 1)}")
        if self.digits is not None and self.digits < 10:
            words.append(f"{self.digits} significant digit{'s' * (self.digits != 1)}")
        if self.coarse:
            words.append(f"{self.grid} lattice")
        elif not words or self.narrowed:
            words.append(self.narrowed or self.grid)
        return ", ".join(words)


def find_resolution(column: Column, cautious: bool = False) -> Resolution:
    """The ways of writing that fit every value of `column`.

    Args:
        column: as read.
        cautious: grant every way that fits, also one that fits by accident.
    """
    values = column.values[np.isfinite(column.values)]
    distinct = np.unique(values[values != 0])
    text_decimals = column.decimals
    fixed = text_decimals is not None and text_decimals[0] == text_decimals[1] > 0
    constant = len(distinct) < 2
    if column.storage in ("float16", "bfloat16", "float32"):
        found = _binary_resolution(distinct, FORMATS[column.storage], cautious)
    else:
        found = _text_resolution(values, distinct, text_decimals, cautious)
    few = not cautious and len(distinct) < FEW and len(distinct) * REPEATS <= len(values)
    return replace(found, constant=constant, few=few, fixed=fixed)


def _text_resolution(
    values: Floats, distinct: Floats, shown: tuple[int, int] | None, cautious: bool
) -> Resolution:
    """Ways that fit numbers kept as text or in float64."""
    decimals = fewest_decimals(values)
    if shown is not None and decimals is not None and shown[0] == shown[1]:
        decimals = max(decimals, min(shown[1], MOST_DIGITS))  # trailing zeros were printed
    digits = fewest_digits(distinct)
    if shown is not None and shown[0] < 0 and is_tqdm(distinct):
        digits = 3
    shortest = is_shortest_float32(distinct, digits)
    fixed = shown is not None and shown[0] == shown[1] > 0  # zeros were printed, not digits
    if decimals is not None and (fixed or is_redundant(distinct, decimals, digits)):
        digits = None
    printed = Resolution(decimals, digits, shortest=shortest)
    half = printed.half_width(distinct, "float64")
    grid = _coarsest_grid(distinct, half, FORMATS["float64"], cautious)
    if shortest and grid == "float64":
        grid = "float32"
    coarse = FORMATS[grid].significand_bits < FORMATS["float32"].significand_bits
    return replace(printed, grid=grid, coarse=coarse)


def _binary_resolution(distinct: Floats, storage: FloatFormat, cautious: bool) -> Resolution:
    """Ways that fit numbers kept in a narrow binary format, perhaps rounded before."""
    decimals = decimals_before_storage(distinct, storage)
    digits = digits_before_storage(distinct, storage)
    if decimals is not None and is_redundant(distinct, decimals, digits):
        digits = None
    spacing = np.full(len(distinct), 0.0 if decimals is None else 10.0**-decimals)
    if digits is not None:
        spacing = np.maximum(spacing, digit_spacing(distinct, digits))
    ulp = storage.ulp(distinct)
    rounded = bool(np.any(spacing > 0))
    certain = rounded and (cautious or _is_no_accident(ulp, np.maximum(spacing, ulp)))
    half = 0.5 * (ulp + spacing) if certain else np.zeros(len(distinct))
    grid = _coarsest_grid(distinct, half, storage, cautious)
    coarse = FORMATS[grid].significand_bits < storage.significand_bits
    return Resolution(decimals, digits, grid, storage.name, certain=certain, coarse=coarse)


def _coarsest_grid(distinct: Floats, half: Floats, storage: FloatFormat, cautious: bool) -> str:
    """The coarsest format within whose grid every value lies, given how it was printed."""
    for form in FORMATS.values():
        if form.significand_bits >= storage.significand_bits:
            break
        off_grid = np.abs(form.nearest(distinct) - distinct)
        ties = 2 * np.spacing(np.abs(distinct))  # 0.03125 printed as 0.0312 is half a unit off
        if not np.all(off_grid <= half + ties):
            continue
        fine = np.maximum(2 * half, storage.ulp(distinct))
        if cautious or (_is_no_accident(fine, form.ulp(distinct)) and _needs(form, distinct)):
            return form.name
    return storage.name


def _needs(form: FloatFormat, distinct: Floats) -> bool:
    """Whether enough values need the format's last two bits: 0.5 and 0.25 lie on any grid."""
    last = np.rint(form.nearest(distinct) / form.ulp(distinct)) % 4 != 0
    return form.name == "float32" or bool(np.mean(last) >= LAST_BITS)


def _is_no_accident(fine: Floats, coarse: Floats) -> bool:
    """Whether values of spacing `fine` would all lie on spacing `coarse` by chance only rarely."""
    return bool(np.sum(np.log(np.minimum(1.0, fine / coarse))) < CHANCE)


def resolve_constants(found: Sequence[Resolution], cautious: bool = False) -> list[Resolution]:
    """Let columns that show nothing of their own writing take it from the columns beside them.

    A column of zeros, "0.0" in a file of full-precision numbers, fits one decimal as well as
    seventeen; its writer is the one that wrote the other columns. So does a column of few values,
    such as a weight that is 0.1, 0.2, ... 1.0. Where all the others show a fixed number of
    decimals and so does this one, its own digits count.

    Args:
        found: one per column.
        cautious: whether the coarsest way of the others is taken, beside the column's own where
            that shows a fraction; else the finest of the others.
    """
    telling = [r for r in found if not (r.constant or r.few)]
    if cautious and not telling:
        telling = [r for r in found if r.decimals]  # a row of zeros beside one rounded number
    if not telling:
        return list(found)
    fixed = all(r.fixed for r in telling)
    shared = _shared(telling, cautious)

    def settled(own: Resolution) -> Resolution:
        if not (own.constant or own.few):
            return own
        if fixed and own.fixed:
            return replace(own, constant=False)
        taken = replace(shared, constant=own.constant, few=own.few)
        if not cautious or not own.decimals:
            return taken
        return replace(taken, decimals=_least([own.decimals, shared.decimals]), digits=own.digits)

    return [settled(r) for r in found]


def _shared(telling: Sequence[Resolution], cautious: bool) -> Resolution:
    """The coarsest way of writing among columns, or the finest."""
    choose = _least if cautious else _most
    bits = {r.grid: FORMATS[r.grid].significand_bits for r in telling}
    return Resolution(
        choose([r.decimals for r in telling]),
        choose([r.digits for r in telling]),
        (min if cautious else max)(bits, key=lambda grid: bits[grid]),
        next((r.narrowed for r in telling if r.narrowed), None),
        any(r.shortest for r in telling),
        all(r.certain for r in telling),
    )


def _least(counts: list[int | None]) -> int | None:
    """The fewest digits; None where all columns show full ones."""
    return min((c for c in counts if c is not None), default=None)


def _most(counts: list[int | None]) -> int | None:
    """The most digits; None where some column shows full ones."""
    known = [c for c in counts if c is not None]
    return max(known) if len(known) == len(counts) else None
