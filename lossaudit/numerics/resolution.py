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

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Floats
from lossaudit.numerics.digits import digit_spacing
from lossaudit.numerics.formats import FORMATS
from lossaudit.numerics.mixture import Mixture


class Resolution(Struct, frozen=True):
    """The ways of writing that fit every value of a column.

    Attributes:
        decimals: digits after the decimal point, or None where no number up to 15 fits.
        digits: significant digits, or None where no number up to 15 fits.
        grid: the coarsest binary format that holds every value, or nearly so where few digits
            were printed. It is a claim about how values were stored or computed.
        narrowed: the format to which writing itself may have rounded, or None.
        shortest: the format whose numbers may have been printed with the fewest digits that
            identify them, which leaves up to half an ulp of it; or None.
        certain: False where the decimals of narrow storage may be an accident: then the wider of
            the two half-widths counts, not their sum, and nobody is told of the decimals.
        coarse: True where `grid` is coarser than the storage, so that values themselves lie on it.
        constant: True where fewer than two different non-zero values say anything at all.
        few: True where the values are so few that they may be exact numbers of few digits.
        round: True where the values are few and have no more than two digits: such as 0.1, 0.2, ...
            1.0, or 0. They may be exact, in a file of numbers with more digits, or rounded to that.
        fixed: True where the text shows the same number of decimals everywhere.
        mixture: coarser ways in which some of the values were written, or None.
    """

    decimals: int | None = None
    digits: int | None = None
    grid: str = "float64"
    narrowed: str | None = None
    shortest: str | None = None
    certain: bool = True
    coarse: bool = False
    constant: bool = False
    few: bool = False
    round: bool = False
    fixed: bool = False
    mixture: Mixture | None = None

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
            printed = np.maximum(printed, 0.5 * FORMATS[self.shortest].ulp(values))
        if self.mixture is not None:
            printed = np.maximum(printed, 0.5 * self.mixture.spacing(values))
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

    def coarsest_decimals(self) -> int | None:
        """The fewest decimals in which some of the values were written."""
        ways = () if self.mixture is None else self.mixture.ways
        counts = [self.decimals, *(w.count for w in ways if w.kind == "decimals")]
        return min((c for c in counts if c is not None), default=None)

    def in_words(self) -> str:
        """Short text for reports, such as "4 decimals" or "float32, bfloat16 lattice"."""
        if self.constant:
            return "constant"
        words = [] if self.mixture is None else self.mixture.in_words()
        if self.decimals is not None and self.certain and (not self.digits or self.decimals < 8):
            words.append(f"{self.decimals} decimal{'s' * (self.decimals != 1)}")
        if self.digits is not None and self.digits < 10:
            words.append(f"{self.digits} significant digit{'s' * (self.digits != 1)}")
        if self.coarse:
            words.append(f"{self.grid} lattice")
        elif not words or self.narrowed:
            words.append(self.narrowed or self.grid)
        return ", ".join(words)
