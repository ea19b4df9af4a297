"""Columns that were written in more than one way, and how coarsely each value may have been.

Keras' progress bar prints four decimals, but `%.4e` from 1e-3 downwards; a printed torch tensor
switches at 1e-4; a resumed run may print six decimals where the first one printed four. Then the
digits that fit all values are finer than those of the coarser way, and each of its values stands
for more than they say. Some values may also have gone through a narrow binary format, which
`str(numpy.float16(v))` shows by numbers of four or five digits that lie near its grid.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.digits import decades, last_places, shortest_decimals
from lossaudit.numerics.formats import FORMATS

MOST_DIGITS = 12
"""Numbers of more digits were not rounded by whoever wrote a log."""

FEWEST_DECIMALS, FEWEST_DIGITS = 1.0, 2
"""What a value is granted at most where nothing says how coarsely it was written: 3.0 may have been
rounded to 0.1 and 1200 to 100."""


ALIKE = 0.8
"""Share of a group's evidence from which on a binary grid may explain it as well."""


class Way(Struct, frozen=True):
    """A way of writing that some of the values fit.

    Attributes:
        kind: "decimals" or "digits" (significant ones), or a binary format of `FORMATS`.
        count: how many digits; 0 for a binary format.
        log_chance: log of how often values written more finely would fit it by accident.
    """

    kind: str
    count: int
    log_chance: float

    @property
    def is_grid(self) -> bool:
        """Whether values were rounded to a binary format, however they were printed then."""
        return self.kind in FORMATS

    def may_replace(self, found: Way) -> bool:
        """Whether a group in which another way was found may have been written in this one.

        Few digits fit a binary grid now and then: it must say nearly as much as they do.
        """
        enough = not self.is_grid or self.log_chance < ALIKE * found.log_chance
        return self.kind != found.kind and enough

    def places(self, values: Floats, decade: Floats) -> Floats:
        """log10 of the way's spacing at each value; -inf at zero for significant digits."""
        if self.kind == "decimals":
            return np.full(values.shape, -float(self.count))
        if self.is_grid:
            return np.asarray(np.log10(FORMATS[self.kind].ulp(values)))
        return np.where(values == 0, -np.inf, decade - self.count + 1)

    def fits(self, values: Floats, last: Floats, places: Floats) -> Bools:
        """Which values may have been written in this way.

        A number of a binary format may have been printed with any digits: then it lies within half
        a unit of the last one.

        Args:
            values: of a column.
            last: `last_places` of them.
            places: as `places` gives them.
        """
        if not self.is_grid:
            return np.asarray(last >= places)
        printed = 0.5 * 10.0 ** np.minimum(last, 300.0)
        return np.asarray(self.off_grid(values) <= printed + 2 * np.spacing(np.abs(values)))

    def off_grid(self, values: Floats) -> Floats:
        """What printing moved each value off the binary grid."""
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(np.abs(FORMATS[self.kind].nearest(values) - values))


GRIDS = (Way("float16", 0, 0.0), Way("bfloat16", 0, 0.0))
"""Binary formats through which some of the values may have gone."""


class Mixture(Struct, frozen=True):
    """Ways of writing beside those that fit all values.

    Attributes:
        ways: the coarser ones, each of which fits some values.
        own: whether every value may have been written with no more digits than it shows, if no
            more coarsely than in one of the ways; else it stands for the ways that it fits.
        least: fewest decimals that the text of any value shows, or None.
        doubted: whether each value but zero may have been written with no more digits than it
            shows, whether any group shows such a way or not, if only with `FEWEST_DECIMALS` or
            `FEWEST_DIGITS` at least.
        full: whether the others are numbers in full, so that one on a binary grid may have gone
            through it if it is doubted.
        zero: log10 of the spacing of the numbers that may have been written instead of zero.
        storage: the binary format in which the file keeps the numbers after that, or empty.
    """

    ways: tuple[Way, ...]
    own: bool = False
    least: int | None = None
    doubted: bool = False
    full: bool = False
    zero: float = -np.inf
    storage: str = ""

    def spacing(self, values: Floats) -> Floats:
        """Distance of the numbers that could have been written instead, shape as given.

        0 where no way fits, and for NaN and infinities.
        """
        if not self.ways and not self.doubted:
            return np.where(values == 0, 10.0**self.zero, 0.0)
        if self.storage:
            values = shortest_decimals(values, FORMATS[self.storage])
        decade, last = decades(values), last_places(values, MOST_DIGITS)
        coarsest, binary = np.full(values.shape, -np.inf), np.zeros(values.shape)
        for way in (*self.ways, *(GRIDS if self.doubted and self.full else ())):
            places = way.places(values, decade)
            if way.is_grid:  # rounded to the grid, then printed: the two add up
                both = 10.0**places + 2 * way.off_grid(values)
                binary = np.where(way.fits(values, last, places), np.maximum(binary, both), binary)
            else:
                fitting = places if self.own else np.where(last >= places, places, -np.inf)
                coarsest = np.maximum(coarsest, fitting)
        coarsest = np.minimum(coarsest, last)
        if self.doubted:
            coarsest = np.maximum(coarsest, own_places(last, decade))
        coarsest = np.where(values == 0, np.maximum(coarsest, self.zero), coarsest)
        if self.least is not None:
            coarsest = np.minimum(coarsest, -float(self.least))
        return np.where(np.isfinite(values), np.maximum(10.0**coarsest, binary), 0.0)

    @property
    def is_doubt(self) -> bool:
        """Whether some value may be coarser than any of the ways makes it."""
        return self.doubted or self.zero > -np.inf

    def in_words(self) -> list[str]:
        """The ways, such as "4 decimals"."""
        nouns = {"decimals": "decimal", "digits": "significant digit"}
        return [
            w.kind if w.is_grid else f"{w.count} {nouns[w.kind]}{'s' * (w.count != 1)}"
            for w in self.ways
        ]


def own_places(last: Floats, decade: Floats) -> Floats:
    """log10 of the coarsest spacing that a value's own last digit allows.

    Args:
        last: log10 of the unit of that digit.
        decade: floor(log10 |v|).
    """
    return np.minimum(last, np.maximum(-FEWEST_DECIMALS, decade - FEWEST_DIGITS + 1))


def place_of_zero(values: Floats, least: int | None, doubted: bool) -> float:
    """log10 of the coarsest spacing of which zeros of a column may be multiples.

    A zero shows no digits of its own. It may have as few decimals as the fewest that the text shows
    (0.0 shows none, many programs write every zero so), or, in doubt, as any other value. Zeros at
    the beginning or the end may be all that a coarser way left of numbers as small as the others.

    Args:
        values: of the column, in the order in which they were written.
        least: fewest decimals that the text shows, or None.
        doubted: whether each value may have been written with no more digits than it shows.
    """
    zeros, others = np.flatnonzero(values == 0), values[values != 0]
    if not len(others) or not len(zeros):
        return -np.inf
    place = -np.inf
    if doubted:
        own = own_places(last_places(others, MOST_DIGITS), decades(others))
        place = min(float(own.max()), -FEWEST_DECIMALS)
    ends = zeros[0] == 0 or zeros[-1] == len(values) - 1
    if ends and len(zeros) == zeros[-1] - zeros[0] + 1:
        hidden = np.ceil(np.log10(2) + np.log10(np.abs(others).max()))
        place = max(place, float(hidden)) if hidden <= -FEWEST_DECIMALS else place
    return place if least is None or least < 2 else max(place, -float(least))
