"""The binary floating-point formats of training: their spacing and their unit roundoff.

Source: IEEE 754-2019, tables 3.5 and 3.6; bfloat16 as in torch (float32's exponent, 8 bits of
significand). Higham 2002, "Accuracy and Stability of Numerical Algorithms", sections 2.1 and 3.1.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Bools, Floats


class FloatFormat(Struct, frozen=True):
    """One binary format.

    Attributes:
        name: torch's name.
        significand_bits: p, the implicit bit included.
        smallest_exponent: e such that 2**e is the smallest normal number.
        largest: the largest finite number.
    """

    name: str
    significand_bits: int
    smallest_exponent: int
    largest: float

    @property
    def unit_roundoff(self) -> float:
        """u = 2**-p: the largest relative error of rounding to nearest."""
        return float(2.0**-self.significand_bits)

    @property
    def smallest_subnormal(self) -> float:
        """eta: the spacing of the format around zero."""
        return float(2.0 ** (self.smallest_exponent - self.significand_bits + 1))

    def ulp(self, values: Floats) -> Floats:
        """Spacing of the format's numbers at |values|, shape as given; NaN stays NaN."""
        spacing = _binade(values)
        np.maximum(spacing, 2.0**self.smallest_exponent, out=spacing)
        spacing *= 2.0 ** (1 - self.significand_bits)
        if not np.isfinite(spacing).all():
            spacing = np.where(np.isfinite(spacing), spacing, np.nan)
        return spacing

    def nearest(self, values: Floats) -> Floats:
        """`values` rounded to nearest even in this format, as float64; overflow gives infinity."""
        if self.name in _HARDWARE:
            with np.errstate(over="ignore", invalid="ignore"):
                return np.asarray(values).astype(_HARDWARE[self.name]).astype(np.float64)
        spacing = self.ulp(values)
        with np.errstate(invalid="ignore", over="ignore"):
            rounded = np.rint(values / spacing) * spacing
            rounded = np.where(np.abs(rounded) > self.largest, np.copysign(np.inf, values), rounded)
        return np.where(np.isfinite(values), rounded, values)

    def holds(self, values: Floats) -> Bools:
        """Whether each value is exactly a number of this format; NaN and infinities are."""
        return np.asarray((self.nearest(values) == values) | ~np.isfinite(values))


_HARDWARE = {"float16": np.float16, "float32": np.float32}
"""Formats to which NumPy itself rounds correctly, and faster."""

_EXPONENT = np.uint64(0x7FF << 52)


def _binade(values: Floats) -> Floats:
    """The power of two at or below |values|: 0 below 2**-1022, infinity for NaN and infinity."""
    return np.asarray((np.asarray(values, np.float64).view(np.uint64) & _EXPONENT).view(np.float64))


FORMATS = {
    f.name: f
    for f in (
        FloatFormat("bfloat16", 8, -126, float(2.0**128 * (1 - 2.0**-8))),
        FloatFormat("float16", 11, -14, 65504.0),
        FloatFormat("float32", 24, -126, float(2.0**128 * (1 - 2.0**-24))),
        FloatFormat("float64", 53, -1022, float(np.finfo(np.float64).max)),
    )
}
"""By torch's name, coarsest first."""


def gamma(k: int | Floats, unit_roundoff: float) -> Floats:
    """Bound on the relative error that k roundings leave: k u / (1 - k u).

    Args:
        k: number of roundings, a scalar or one per row.
        unit_roundoff: u of the dtype.

    Returns:
        Of the shape of `k`; infinity where k u >= 1, since a sum that long says nothing.

    Source:
        Higham 2002, lemma 3.1.
    """
    product = np.asarray(k, dtype=np.float64) * unit_roundoff
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(product < 1, product / (1 - product), np.inf)
