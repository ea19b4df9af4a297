"""Columns that were written in more than one way, and how coarsely each value may have been.

Keras' progress bar prints four decimals, but `%.4e` from 1e-3 downwards; a printed torch tensor
switches at 1e-4; a resumed run may print six decimals where the first one printed four. Then the
digits that fit all values are finer than those of the coarser way, and each of its values stands
for more than they say.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from lossaudit.model.table import Floats
from lossaudit.numerics.digits import decades, last_places

MOST_DIGITS = 12
"""Numbers of more digits were not rounded by whoever wrote a log."""

FEWEST_DECIMALS, FEWEST_DIGITS = 1.0, 2
"""What a value is granted at most where nothing says how coarsely it was written: 3.0 may have been
rounded to 0.1 and 1200 to 100."""


class Way(Struct, frozen=True):
    """A way of writing that some of the values fit.

    Attributes:
        kind: "decimals" or "digits" (significant ones).
        count: how many.
        log_chance: log of how often values written more finely would fit it by accident.
    """

    kind: str
    count: int
    log_chance: float

    def places(self, values: Floats, decade: Floats) -> Floats:
        """log10 of the way's spacing at each value; -inf at zero for significant digits."""
        if self.kind == "decimals":
            return np.full(values.shape, -float(self.count))
        return np.where(values == 0, -np.inf, decade - self.count + 1)


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
        zero: log10 of the spacing of the numbers that may have been written instead of zero.
    """

    ways: tuple[Way, ...]
    own: bool = False
    least: int | None = None
    doubted: bool = False
    zero: float = -np.inf

    def spacing(self, values: Floats) -> Floats:
        """Distance of the numbers that could have been written instead, shape as given.

        0 where no way fits, and for NaN and infinities.
        """
        decade, last = decades(values), last_places(values, MOST_DIGITS)
        coarsest = np.full(values.shape, -np.inf)
        for way in self.ways:
            places = way.places(values, decade)
            coarsest = np.maximum(coarsest, places if self.own else _where(places, last))
        coarsest = np.minimum(coarsest, last)
        if self.doubted:
            coarsest = np.maximum(coarsest, own_places(last, decade))
        coarsest = np.where(values == 0, np.maximum(coarsest, self.zero), coarsest)
        if self.least is not None:
            coarsest = np.minimum(coarsest, -float(self.least))
        return np.where(np.isfinite(values), 10.0**coarsest, 0.0)

    @property
    def is_doubt(self) -> bool:
        """Whether some value may be coarser than any of the ways makes it."""
        return self.doubted or self.zero > -np.inf

    def in_words(self) -> list[str]:
        """The ways, such as "4 decimals"."""
        nouns = {"decimals": "decimal", "digits": "significant digit"}
        return [f"{w.count} {nouns[w.kind]}{'s' * (w.count != 1)}" for w in self.ways]


def own_places(last: Floats, decade: Floats) -> Floats:
    """log10 of the coarsest spacing that a value's own last digit allows.

    Args:
        last: log10 of the unit of that digit.
        decade: floor(log10 |v|).
    """
    return np.minimum(last, np.maximum(-FEWEST_DECIMALS, decade - FEWEST_DIGITS + 1))


def place_of_zero(values: Floats, least: int | None) -> float:
    """log10 of the coarsest spacing of which zeros of a column may be multiples.

    A zero shows no digits of its own. It may have as few decimals as any other value, or as the
    fewest that the text shows (0.0 shows none, many programs write every zero so). Zeros at the
    beginning or the end may be all that a coarser way left of numbers as small as the others.

    Args:
        values: of the column, in the order in which they were written.
        least: fewest decimals that the text shows, or None.
    """
    others = values[values != 0]
    if not len(others):
        return -np.inf
    place = min(float(own_places(last_places(others, MOST_DIGITS), decades(others)).max()), -1.0)
    zeros = np.flatnonzero(values == 0)
    if len(zeros) and len(zeros) == zeros[-1] - zeros[0] + 1 and {0, len(values) - 1} & {*zeros}:
        hidden = np.ceil(np.log10(2) + np.log10(np.abs(others).max()))
        place = max(place, float(hidden)) if hidden <= -FEWEST_DECIMALS else place
    return place if least is None or least < 2 else max(place, -float(least))


def _where(places: Floats, last: Floats) -> Floats:
    return np.where(last >= places, places, -np.inf)
