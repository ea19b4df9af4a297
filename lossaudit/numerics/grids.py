"""The binary grid of a column's values, unless they lie on it by chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from lossaudit.model.table import Floats
from lossaudit.numerics.formats import FloatFormat
from lossaudit.numerics.sample import Sample

CHANCE = math.log(1e-6)
"""A coarse grid is believed only where values would lie on it by chance less often than this."""

LAST_BITS = 0.25
"""Share of values that must need the last two bits of a coarse grid; 3 in 4 do on a real one."""


def coarsest_grid(
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
        if cautious or (is_no_accident(fine, form.ulp(distinct)) and _needs(form, distinct)):
            return form.name
    return storage.name


def _needs(form: FloatFormat, distinct: Floats) -> bool:
    """Whether enough values need the format's last two bits: 0.5 and 0.25 lie on any grid."""
    if form.name == "float32":
        return True
    last = np.rint(form.nearest(distinct) / form.ulp(distinct)) % 4 != 0
    return len(last) > 0 and bool(np.mean(last) >= LAST_BITS)


def is_no_accident(fine: Floats, coarse: Floats) -> bool:
    """Whether values of spacing `fine` would all lie on spacing `coarse` by chance only rarely."""
    return bool(np.sum(np.log(np.minimum(1.0, fine / coarse))) < CHANCE)
