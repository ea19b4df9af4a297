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
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.model.table import Floats
from lossaudit.numerics.digits import (
    MOST_DIGITS,
    digit_spacing,
    is_redundant,
    is_shortest_float32,
    is_tqdm,
)
from lossaudit.numerics.formats import FORMATS, FloatFormat
from lossaudit.numerics.sample import (
    Sample,
    Written,
    decimals_of,
    digits_of,
    finite_blocks,
    grids_that_hold,
    narrow_decimals_of,
    narrow_digits_of,
    take_sample,
)

CHANCE = math.log(1e-6)
"""A coarse grid is believed only where values would lie on it by chance less often than this."""

FEW = 32
"""A column of fewer different values, often repeated, may be a schedule: exact numbers."""

REPEATS = 8
"""How often the values of such a column are repeated, on average."""

LAST_BITS = 0.25
"""Share of values that must need the last two bits of a coarse grid; 3 in 4 do on a real one."""


class Resolution(Struct, frozen=True):
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
        """Half the width of the interval that each value stands for.

        Args:
            values: logged values, shape (N,).
            dtype: of the sum in training. Values on a grid at least as fine were not narrowed when
                they were written, so only their printed digits count.

        Returns:
            Shape (N,), 0 for NaN and infinities; shape () where all are the same.
        """
        printed = np.zeros(())
        if self.decimals is not None:
            printed = np.maximum(printed, 0.5 * 10.0**-self.decimals)
        if self.digits is not None:
            printed = np.maximum(printed, 0.5 * digit_spacing(values, self.digits))
        if self.shortest:
            printed = np.maximum(printed, 0.5 * FORMATS["float32"].ulp(values))
        # just below a power of two, the number that was printed may have stood above it
        outer = np.abs(values) + printed if printed.any() else values
        ulps = [FORMATS[name].ulp(outer) for name in self._narrowing_grids(dtype)]
        if not ulps:
            return np.where(np.isfinite(values), printed, 0.0) if printed.ndim else printed
        stored = ulps[0] if len(ulps) == 1 else np.maximum(*ulps)
        stored *= 0.5
        if not printed.any():
            widths = stored
        else:  # stored then printed, or rounded then stored: the two add up
            widths = printed + stored if self.certain else np.maximum(printed, stored)
        return widths if np.isfinite(widths).all() else np.where(np.isfinite(values), widths, 0.0)

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


def find_resolution(column: Written, cautious: bool = False) -> Resolution:
    """The ways of writing that fit every value of `column`; see `find_resolutions`."""
    return find_resolutions(column)[cautious]


def find_resolutions(column: Written) -> tuple[Resolution, Resolution]:
    """The likely and the cautious reading of a column: the ways of writing that fit all values.

    The cautious one grants every way that fits, also one that fits by accident.
    """
    sample = take_sample(column)
    text_decimals = column.decimals
    fixed = text_decimals is not None and text_decimals[0] == text_decimals[1] > 0
    if column.storage in ("float16", "bfloat16", "float32"):
        readings = _binary_resolutions(column, sample, FORMATS[column.storage])
    else:
        readings = _text_resolutions(column, sample)
    few = sample.different < FEW and sample.different * REPEATS <= sample.count
    likely, cautious = (
        replace(r, constant=sample.different < 2, few=few and not c, fixed=fixed)
        for c, r in enumerate(readings)
    )
    return likely, cautious


def _text_resolutions(column: Written, sample: Sample) -> list[Resolution]:
    """Ways that fit numbers kept as text or in float64."""
    shown = column.decimals
    decimals = decimals_of(column)
    if shown is not None and decimals is not None and shown[0] == shown[1]:
        zeros = min(shown[1], MOST_DIGITS) - decimals
        if not (sample.different >= FEW and -zeros * sample.different * math.log(10) < CHANCE):
            decimals += max(zeros, 0)  # the zeros are digits, not padding after rounding
    fixed = shown is not None and shown[0] == shown[1] > 0  # zeros were printed, not digits
    digits = digits_of(column, decimals)
    if shown is not None and shown[0] < 0 and all(map(is_tqdm, finite_blocks(column))):
        digits = 3
    shortest = is_shortest_float32(sample.distinct, digits)
    if decimals is not None and (fixed or is_redundant(sample.largest, decimals, digits)):
        digits = None
    printed = Resolution(decimals, digits, shortest=shortest)

    def half(values: Floats) -> Floats:
        return printed.half_width(values, "float64")

    holding = grids_that_hold(column, sample, half, FORMATS["float64"])
    readings = []
    for cautious in (False, True):
        grid = _coarsest_grid(holding, sample, half, FORMATS["float64"], cautious)
        if shortest and grid == "float64":
            grid = "float32"
        coarse = FORMATS[grid].significand_bits < FORMATS["float32"].significand_bits
        readings.append(replace(printed, grid=grid, coarse=coarse))
    return readings


def _binary_resolutions(column: Written, sample: Sample, storage: FloatFormat) -> list[Resolution]:
    """Ways that fit numbers kept in a narrow binary format, perhaps rounded before."""
    decimals = narrow_decimals_of(column, storage) if sample.different else None
    digits = narrow_digits_of(column, storage) if sample.different else None
    if decimals is not None and is_redundant(sample.largest, decimals, digits):
        digits = None

    def spacing(values: Floats) -> Floats:
        least = 0.0 if decimals is None else 10.0**-decimals
        return np.maximum(least, 0.0 if digits is None else digit_spacing(values, digits))

    def half(values: Floats) -> Floats:
        return np.asarray(0.5 * (storage.ulp(values) + spacing(values)))

    def nothing(values: Floats) -> Floats:
        return np.zeros(())

    ulp, rounded = storage.ulp(sample.distinct), decimals is not None or digits is not None
    readings = []
    for cautious in (False, True):
        fine = np.maximum(spacing(sample.distinct), ulp)
        certain = rounded and (cautious or _is_no_accident(ulp, fine))
        width = half if certain else nothing
        holding = grids_that_hold(column, sample, width, storage)
        grid = _coarsest_grid(holding, sample, width, storage, cautious)
        coarse = FORMATS[grid].significand_bits < storage.significand_bits
        found = Resolution(decimals, digits, grid, storage.name, certain=certain, coarse=coarse)
        readings.append(found)
    return readings


def _coarsest_grid(
    holding: Sequence[FloatFormat],
    sample: Sample,
    half: Callable[[Floats], Floats],
    storage: FloatFormat,
    cautious: bool,
) -> str:
    """The coarsest of the formats that hold all values, unless they may do so by accident."""
    distinct = sample.distinct
    for form in holding:
        fine = np.maximum(2 * half(distinct), storage.ulp(distinct))
        if cautious or (_is_no_accident(fine, form.ulp(distinct)) and _needs(form, distinct)):
            return form.name
    return storage.name


def _needs(form: FloatFormat, distinct: Floats) -> bool:
    """Whether enough values need the format's last two bits: 0.5 and 0.25 lie on any grid."""
    if form.name == "float32":
        return True
    last = np.rint(form.nearest(distinct) / form.ulp(distinct)) % 4 != 0
    return len(last) > 0 and bool(np.mean(last) >= LAST_BITS)


def _is_no_accident(fine: Floats, coarse: Floats) -> bool:
    """Whether values of spacing `fine` would all lie on spacing `coarse` by chance only rarely."""
    return bool(np.sum(np.log(np.minimum(1.0, fine / coarse))) < CHANCE)
