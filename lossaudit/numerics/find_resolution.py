"""How a column's ways of writing are found from its values: a likely and a cautious reading."""

from __future__ import annotations

import math

import numpy as np
from msgspec.structs import replace

from lossaudit.model.table import Floats
from lossaudit.numerics.digits import (
    MOST_DIGITS,
    is_redundant,
    is_tqdm,
    last_places,
    shortest_decimals,
    shortest_format,
)
from lossaudit.numerics.formats import FORMATS, FloatFormat
from lossaudit.numerics.grids import CHANCE, coarsest_grid, is_no_accident
from lossaudit.numerics.groups import common_divisor, find_ways
from lossaudit.numerics.mixture import MOST_DIGITS as MOST_WRITTEN
from lossaudit.numerics.mixture import Mixture, Way, place_of_zero
from lossaudit.numerics.resolution import Resolution
from lossaudit.numerics.sample import (
    Sample,
    Written,
    decimals_of,
    digits_of,
    ends_and_middle,
    finite_blocks,
    grids_that_hold,
    narrow_decimals_of,
    narrow_digits_of,
    take_sample,
)

FEW = 32
"""A column of fewer different values, often repeated, may be a schedule: exact numbers."""

REPEATS = 8
"""How often the values of such a column are repeated, on average."""

FEWEST_ROUNDED = 3
"""Round numbers among numbers in full that are no mere constants."""

MOST_DOUBTED = 1000
"""Values of a column in which a single one may have been written more coarsely than the others. In
a longer one that takes a group of values that chance does not make."""

MOST_ROUND = 2
"""Significant digits of numbers that somebody chose, such as a weight that grows by 0.05."""

MOST_UNITS = 20
"""Steps of such a weight up to its end; measured numbers seldom have so large a common divisor."""

TQDM_DIGITS = 3
"""Significant digits that tqdm prints where a number's own text is longer."""


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
    bare = _is_round(column, sample)
    likely, cautious = (
        replace(r, constant=sample.different < 2, few=few and not c, fixed=fixed, round=bare)
        for c, r in enumerate(readings)
    )
    return likely, cautious


def _is_round(column: Written, sample: Sample) -> bool:
    """Whether the values are few and round, and no zeros were printed behind them."""
    if sample.different >= FEW:
        return False
    shown, storage = column.decimals, column.storage
    kept = FORMATS[storage if storage in ("float16", "bfloat16") else "float32"]
    values = shortest_decimals(kept.nearest(sample.distinct), kept)  # 0.30000001 is a float32's 0.3
    last = last_places(values, MOST_ROUND)
    padded = shown is not None and shown[0] > 1 and bool((last > -shown[0]).any())
    if padded or not np.isfinite(last).all():
        return False
    decimals = max(0, int(-last.min(initial=0.0)))
    unit = common_divisor(values, decimals) / 10.0**decimals
    return not len(values) or bool(np.abs(values).max() <= (MOST_UNITS + 0.5) * unit)


def _text_resolutions(column: Written, sample: Sample) -> list[Resolution]:
    """Ways that fit numbers kept as text or in float64."""
    shown = column.decimals
    decimals = decimals_of(column)
    if shown is not None and decimals is not None and shown[0] == shown[1]:
        zeros = min(shown[1], MOST_DIGITS) - decimals
        if not (sample.different >= FEW and -zeros * sample.different * math.log(10) < CHANCE):
            decimals += max(zeros, 0)  # the zeros are digits, not padding after rounding
    if shown is not None and shown[1] > 1 and not sample.different:
        decimals = min(shown[1], MOST_DIGITS)  # of 0.00 and 0.0 the latter says nothing
    fixed = shown is not None and shown[0] == shown[1] > 0  # zeros were printed, not digits
    digits = digits_of(column, decimals)
    tqdm = shown is not None and shown[0] < 0 and all(map(is_tqdm, finite_blocks(column)))
    digits = TQDM_DIGITS if tqdm else digits
    shortest = [_shortest(sample.distinct, digits, cautious) for cautious in (False, True)]
    if decimals is not None and (fixed or is_redundant(sample.largest, decimals, digits)):
        digits = None
    printed = [Resolution(decimals, digits, shortest=s) for s in shortest]

    readings = _on_grids(column, sample, printed)
    if fixed or tqdm:
        return readings
    if decimals == 0:
        mixtures = [None, _among_whole_numbers(sample)]
    else:
        mixtures = _mixtures(column, sample, readings[False])
    if mixtures == [None, None]:
        return readings
    mixed = [replace(p, mixture=m) for p, m in zip(printed, mixtures, strict=True)]
    return _on_grids(column, sample, mixed)


def _shortest(distinct: Floats, digits: int | None, cautious: bool) -> str | None:
    """The format of which all values are shortest texts; likely only if they are not by chance.

    Nearly every number of three digits is the shortest text of some float16.
    """
    name = shortest_format(distinct, digits)
    if name != "float16" or cautious:
        return name
    own = 10.0 ** last_places(distinct, MOST_DIGITS)
    return name if is_no_accident(own, FORMATS[name].ulp(distinct)) else None


def _on_grids(column: Written, sample: Sample, printed: list[Resolution]) -> list[Resolution]:
    """The likely and the cautious way of printing, each with the grid that the values lie on."""
    storage, readings = FORMATS["float64"], []
    for cautious, way in enumerate(printed):

        def half(values: Floats, way: Resolution = way) -> Floats:
            width = way.half_width(values, "float64")
            if way.mixture is None:
                return width  # else a value may be off a grid by half of its own last digit
            return np.maximum(width, 0.5 * 10.0 ** last_places(values, MOST_WRITTEN))

        if not cautious or way != printed[0]:
            holding = grids_that_hold(column, sample, half, storage, way.mixture is not None)
        grid = coarsest_grid(holding, sample, half, storage, bool(cautious))
        if way.shortest and grid == "float64":
            grid = way.shortest
        coarse = FORMATS[grid].significand_bits < FORMATS["float32"].significand_bits
        readings.append(replace(way, grid=grid, coarse=coarse))
    return readings


def _mixtures(column: Written, sample: Sample, likely: Resolution) -> list[Mixture | None]:
    """Coarser ways in which some values were written, in the likely and the cautious reading."""
    values = ends_and_middle(sample.ordered)
    storage = likely.narrowed or ""
    if storage:
        values = shortest_decimals(values, FORMATS[storage])
    grid = FORMATS[likely.grid]
    width = 2 * np.broadcast_to(likely.half_width(values, likely.grid), values.shape)
    base = np.maximum(width, FORMATS["float64"].ulp(values))
    shown = column.decimals[0] if column.decimals is not None else 0
    least = shown if shown > 0 else None
    rounded = likely.certain and (likely.decimals is not None or likely.digits is not None)
    fewest = 1 if rounded else FEWEST_ROUNDED
    ways, others = find_ways(values, base, grid.ulp(values), least, fewest)
    sure = tuple(w for w in ways if w.log_chance < CHANCE)
    cautious = Mixture(ways + others, own=True, least=least, storage=storage)
    doubted = sample.count <= MOST_DOUBTED and (rounded or _ends_round(values))
    zero = place_of_zero(values, least, doubted)
    if zero > -np.inf or doubted:
        doubting = replace(cautious, doubted=doubted, full=not rounded, zero=zero)
        cautious = doubting if (doubting.spacing(values) > 1.5 * base).any() else cautious
    return [
        Mixture(sure, least=least, storage=storage) if sure else None,
        cautious if cautious.ways or cautious.is_doubt else None,
    ]


def _ends_round(values: Floats) -> bool:
    """Whether numbers in full begin or end with a rounded one; any other may be a constant."""
    others = values[values != 0]
    return (
        bool(np.isfinite(last_places(others[[0, -1]], MOST_WRITTEN)).any())
        if len(others)
        else False
    )


def _among_whole_numbers(sample: Sample) -> Mixture | None:
    """tqdm's three digits where no number shows a fraction: 1260 may stand beside 1006.0."""
    mixture = Mixture((Way("digits", TQDM_DIGITS, 0.0),), own=True)
    short = sample.count <= MOST_DOUBTED
    return mixture if short and (mixture.spacing(sample.distinct) > 1).any() else None


def _binary_resolutions(column: Written, sample: Sample, storage: FloatFormat) -> list[Resolution]:
    """Ways that fit numbers kept in a narrow binary format, perhaps rounded before."""
    decimals = narrow_decimals_of(column, storage) if sample.different else None
    digits = narrow_digits_of(column, storage) if sample.different else None
    if decimals is not None and is_redundant(sample.largest, decimals, digits):
        digits = None
    way = Resolution(decimals, digits, narrowed=storage.name)
    ulp = storage.ulp(sample.distinct)
    fine = np.maximum(2 * way.half_width(sample.distinct, "float64") - ulp, ulp)
    rounded = decimals is not None or digits is not None
    printed = [
        replace(way, certain=rounded and (cautious or is_no_accident(ulp, fine)))
        for cautious in (False, True)
    ]
    readings = [_on_narrow_grid(column, sample, p, bool(c)) for c, p in enumerate(printed)]
    mixtures = _mixtures(column, sample, readings[False])
    if mixtures == [None, None]:
        return readings
    mixed = [replace(p, mixture=m) for p, m in zip(printed, mixtures, strict=True)]
    return [_on_narrow_grid(column, sample, m, bool(c)) for c, m in enumerate(mixed)]


def _on_narrow_grid(column: Written, sample: Sample, way: Resolution, cautious: bool) -> Resolution:
    """A way of rounding before narrow storage, with the coarser grid that the values lie on."""
    storage = FORMATS[way.narrowed or "float64"]

    def half(values: Floats) -> Floats:
        if way.certain:
            return way.half_width(values, "float64")
        if way.mixture is None:
            return np.zeros(())
        spacing = way.mixture.spacing(values)
        return np.where(spacing > 0, 0.5 * (spacing + storage.ulp(values)), 0.0)

    holding = grids_that_hold(column, sample, half, storage, way.mixture is not None)
    grid = coarsest_grid(holding, sample, half, storage, cautious)
    coarse = FORMATS[grid].significand_bits < storage.significand_bits
    return replace(way, grid=grid, coarse=coarse)
