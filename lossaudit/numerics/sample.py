"""Whole columns, block by block: what is true of all their values, and a sample of them.

A property of all values is tested with what the blocks so far have left possible, so most columns
of full-precision numbers cost a glance at the first block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Floats, Storage
from lossaudit.numerics.digits import (
    decimals_before_storage,
    digits_before_storage,
    fewest_decimals,
    fewest_digits,
    most_digits,
)
from lossaudit.numerics.distinct import distinct
from lossaudit.numerics.formats import FORMATS, FloatFormat

SAMPLE = 1 << 14
"""Values, spread over the column, that stand for all where chances are weighed."""

MANY = 64
"""Different values beyond which nobody counts them."""


GLANCE = 256
"""Values of a block that are looked at before all of them are."""


class Written(Protocol):
    """A column as far as its way of writing goes; see `Column` and `LogColumn`."""

    @property
    def storage(self) -> Storage:
        """How the file keeps the numbers."""

    @property
    def decimals(self) -> tuple[int, int] | None:
        """Fewest and most digits after the decimal point that the text shows."""

    def blocks(self) -> Iterator[Floats]:
        """All values; may be called again and again."""


class Sample(Struct, frozen=True):
    """A look at a whole column.

    Attributes:
        distinct: different finite values, zero left out, ascending: all of them in a column of up
            to 16,384 values, else of a sample spread evenly.
        different: how many different ones the whole column has, counted up to `MANY`.
        count: finite values.
        largest: of |values|.
        ordered: the values that `distinct` was taken from, in the order in which they were written.
    """

    distinct: Floats
    different: int
    count: int
    largest: float
    ordered: Floats


def finite_blocks(column: Written) -> Iterator[Floats]:
    """A column's values without NaN and infinities."""
    for block in column.blocks():
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(block.sum()):  # then every value is, and no array is needed to know
                yield block
                continue
        finite = np.isfinite(block)
        yield block if finite.all() else block[finite]


def take_sample(column: Written) -> Sample:
    """Look at a whole column."""
    count, largest, few = 0, 0.0, np.zeros(0)
    for block in finite_blocks(column):
        count += len(block)
        if len(block):
            largest = max(largest, float(block.max()), -float(block.min()))
        for end in (MANY, 32 * MANY, len(block)):  # mostly the first few show many
            if len(few) < MANY:
                few = distinct(np.concatenate([few, block[:end]]))
    stride, at, picked = max(1, count // SAMPLE), 0, []
    for block in finite_blocks(column):
        picked.append(block[-at % stride :: stride])
        at += len(block)
    ordered = np.concatenate([np.zeros(0), *picked])
    values = distinct(ordered)
    different = len(few) - int(0.0 in few)
    return Sample(values[values != 0], different, count, largest, ordered)


def ends_and_middle(values: Floats, most: int = 2048) -> Floats:
    """Some of the values, in order: a quarter of them from each end, the rest spread between."""
    if len(values) <= most:
        return values
    end = most // 4
    middle = values[end : len(values) - end]
    return np.concatenate([values[:end], middle[:: 1 + 2 * len(middle) // most], values[-end:]])


def decimals_of(column: Written) -> int | None:
    """The fewest digits after the point that fit every value, or None."""
    return _grown(fewest_decimals, finite_blocks(column), 0)


def digits_of(column: Written, decimals: int | None) -> int | None:
    """The fewest significant digits that fit every value, or None.

    Args:
        decimals: what fits every value, if anything does; it spares looking at most blocks, whose
            numbers have no more digits than were found already.
    """

    def grown(block: Floats, fewest: int) -> int | None:
        largest = float(np.abs(block).max()) if len(block) else 0.0
        return fewest if most_digits(largest, decimals) <= fewest else fewest_digits(block, fewest)

    return _grown(grown, finite_blocks(column), 1)


def narrow_decimals_of(column: Written, storage: FloatFormat) -> int | None:
    """The fewest digits after the point that fit every value before it was stored, or None."""

    def grown(block: Floats, fewest: int) -> int | None:
        return decimals_before_storage(block, storage, fewest)

    return _grown(grown, finite_blocks(column), 0)


def narrow_digits_of(column: Written, storage: FloatFormat) -> int | None:
    """The fewest significant digits that fit every value before it was stored, or None."""

    def grown(block: Floats, fewest: int) -> int | None:
        return digits_before_storage(block, storage, fewest)

    return _grown(grown, finite_blocks(column), 1)


def _grown(
    grow: Callable[[Floats, int], int | None], blocks: Iterable[Floats], fewest: int
) -> int | None:
    """Let a number of digits grow until it fits every block; None where none fits one.

    A few values of a block go first: mostly they show that no number of digits fits.
    """
    for block in blocks:
        for part in (block[:: 1 + len(block) // GLANCE], block):
            more = grow(part, fewest)
            if more is None:
                return None
            fewest = more
    return fewest


def grids_that_hold(
    column: Written,
    sample: Sample,
    half: Callable[[Floats], Floats],
    storage: FloatFormat,
    mixed: bool = False,
) -> list[FloatFormat]:
    """The formats coarser than the storage on whose grid every value lies, coarsest first.

    Args:
        column: the values.
        sample: of them; most formats are excluded by it.
        half: what printing may have moved each value by.
        storage: how the file keeps the numbers.
        mixed: whether zero may have been written more coarsely than other values.
    """

    def holds(form: FloatFormat, values: Floats) -> bool:
        off_grid = np.abs(form.nearest(values) - values)
        if not off_grid.any():
            return True
        width = half(values)
        if (off_grid <= width).all():
            return True
        # a tie such as 0.03125 printed as 0.0312 is half a unit off
        return bool(np.all(off_grid <= width + 2 * np.spacing(np.abs(values))))

    # else no half-width is below that of zero
    least = 0.0 if mixed else float(half(np.zeros(1)).max())

    def holds_up_to(form: FloatFormat, largest: float) -> bool:
        return largest <= form.largest and 0.5 * float(form.ulp(np.array([largest]))[0]) <= least

    coarser = (f for f in FORMATS.values() if f.significand_bits < storage.significand_bits)
    return [
        f
        for f in coarser
        if holds_up_to(f, sample.largest)
        or (holds(f, sample.distinct) and all(holds(f, b) for b in finite_blocks(column)))
    ]
