"""Groups of a column's values that were written more coarsely than the others.

They are told by their last digits: a number of eight decimals ends in four zeros once in ten
thousand times. So values whose last digits are coarser more often than by chance, or all through
one stretch of the column (in time or by size), were written in a way of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.model.table import Bools, Floats, Ints
from lossaudit.numerics.digits import decades, last_places
from lossaudit.numerics.mixture import GRIDS, MOST_DIGITS, Way

MOST_WAYS = 6
"""Ways that are looked for in one column."""

ACCIDENT, RARE_ACCIDENT = math.log(0.02), math.log(1e-3)
"""A way is granted where so many values would fit it by accident less often than this; the second
one where more than `MANY` values are looked at, since two readings of a long log cost time."""

MANY = 1000

SWITCHES = (1e-3, 1e-4)
"""At and below which Keras and torch print numbers in scientific notation."""

OFTEN = 3
"""A single value that is repeated more often is a plateau, and no group."""

LN10 = math.log(10.0)


def find_ways(
    values: Floats, base: Floats, ulp: Floats, least: int | None, fewest: int = 1
) -> tuple[tuple[Way, ...], tuple[Way, ...]]:
    """The ways beside the finest in which groups of values were written.

    Args:
        values: of a column in the order in which they were written, finite.
        base: spacing of the finest way, which fits all of them, shape as `values`.
        ulp: spacing of the binary grid on which they lie; its numbers have round decimals too.
        least: fewest decimals that the text shows, or None.
        fewest: different values that make a group; among numbers in full, one round number is
            rather a constant.

    Returns:
        The most certain ways, and others that they leave possible: a group of four decimals may
        have five significant digits as well, or have gone through float16.
    """
    group = _Group.of(values, base, ulp)
    found: list[Way] = []
    others = list(group.switching())
    accident = RARE_ACCIDENT if len(group.values) > MANY else ACCIDENT
    while len(found) < MOST_WAYS:
        ranked = sorted(group.candidates(least, fewest), key=lambda w: w.log_chance)
        ranked = [w for w in ranked if w.log_chance < accident]
        if not ranked:
            break
        found.append(ranked[0])
        best = {w.kind: w for w in reversed(ranked) if w.may_replace(ranked[0])}
        others += best.values()
        group.accept(ranked[0])
    return tuple(found), tuple(w for w in dict.fromkeys(others) if w not in found)


class _Group(Struct):
    """Different values, in the order in which they came up, and how finely each was written.

    Attributes:
        values: without zero, shape (N,), like all arrays here.
        repeats: how often each came up.
        decade, last: floor(log10 |v|), and log10 of the unit of its last digit that is not zero.
        current: log10 of the spacing of the coarsest way so far that is known for it.
        ulp: spacing of the binary grid.
        by_size: the order by |v|.
        common: what divides all values, in units of the finest decimal that holds them.
        finest: digits after the point of that decimal.
    """

    values: Floats
    repeats: Floats
    decade: Floats
    last: Floats
    current: Floats
    ulp: Floats
    by_size: Ints
    common: int
    finest: int

    @classmethod
    def of(cls, values: Floats, base: Floats, ulp: Floats) -> _Group:
        kept, repeats = _first_occurrences(values)
        values, base, ulp = values[kept], base[kept], ulp[kept]
        decade, last = decades(values), last_places(values, MOST_DIGITS)
        current = np.log10(np.maximum(base, 1e-323))
        finest = int(np.ceil(-current.min())) if len(values) else 0
        return cls(
            values,
            repeats,
            decade,
            last,
            current,
            ulp,
            np.argsort(np.abs(values), kind="stable"),
            common_divisor(values, finest),
            finest,
        )

    def accept(self, way: Way) -> None:
        """From now on, values that fit this way are taken to have been written in it."""
        places = way.places(self.values, self.decade)
        fits = way.fits(self.values, self.last, places)
        self.current = np.where(fits, np.maximum(self.current, places), self.current)

    def candidates(self, least: int | None, fewest: int) -> Iterator[Way]:
        """Every way that fits some values which are written more finely, and its chance."""
        for way in self._ways(least):
            places = way.places(self.values, self.decade)
            chance = self._grid_chances(places) if way.is_grid else self._log_chances(places)
            fits = way.fits(self.values, self.last, places)
            if way.is_grid and (fits.all() or not _is_stretch(fits)):
                continue  # it is the column's grid, or the values are means of such numbers
            if (fits & (chance < -0.5)).sum() >= fewest:
                yield replace(way, log_chance=self._evidence(fits, chance))

    def _ways(self, least: int | None) -> Iterator[Way]:
        finite = self.last[np.isfinite(self.last)]
        if len(finite):
            first = max(1, least or 1, int(-finite.max()))
            most = min(int(-finite.min()), self.finest)
            yield from (Way("decimals", count, 0.0) for count in range(first, most + 1))
            yield from (Way("digits", count, 0.0) for count in range(2, MOST_DIGITS + 1))
        yield from GRIDS

    def switching(self) -> Iterator[Way]:
        """The ways of writers that print small numbers in scientific notation, if they fit all."""
        if not np.isfinite(self.last).all():
            return
        size = np.abs(self.values)
        for switch in SWITCHES:
            large = size > switch
            if large.all() or not large.any():
                continue
            decimals = max(1, int(-self.last[large].min()))
            digits = Way("digits", decimals + 1, 0.0)
            places = np.where(large, -float(decimals), digits.places(self.values, self.decade))
            if (self.last >= places).all() and (places > self.current + 0.5).any():
                yield from (Way("decimals", decimals, 0.0), digits)

    def _log_chances(self, places: Floats) -> Floats:
        """How often each value would fit a coarser way by accident."""
        decimal = (self.current - places) * LN10
        with np.errstate(divide="ignore"):
            binary = np.log(self.ulp) - places * math.log(2.0)
        chance = np.maximum(decimal, binary)
        if self.common > 1:
            steps = np.clip(np.rint(places + self.finest), 0, 18).astype(np.int64)
            shared = [math.log(math.gcd(self.common, 10**s) / 10**s) for s in range(19)]
            chance = np.maximum(chance, np.array(shared)[steps])
        return np.minimum(chance, 0.0)

    def _grid_chances(self, places: Floats) -> Floats:
        """How often each value would lie near a binary grid by accident.

        A number may fit with each count of digits between its own and the grid's.
        """
        decimal = (self.current - places) * LN10
        decimal += np.log1p(np.maximum(0.0, places - self.current))
        binary = np.log(self.ulp) - places * LN10
        return np.minimum(np.maximum(decimal, binary), 0.0)

    def _evidence(self, fits: Bools, chance: Floats) -> float:
        """log of how often so many values would fit, or all at one end, in time or by size."""
        telling = chance < 0.0
        found = [_log_tail(int((fits & telling).sum()), float(np.exp(chance[telling]).sum()))]
        sizes = fits[self.by_size], chance[self.by_size], self.repeats[self.by_size]
        for fit, one, repeats in ((fits, chance, self.repeats), sizes):
            for step in (1, -1):
                found.append(_run(fit[::step], one[::step], repeats[::step]))
            found.append(_longest(fit, one))
        return min(found)


def _first_occurrences(
    values: Floats,
) -> tuple[Ints, Floats]:
    """Where each value that is not zero comes up first, and how often it does."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(values)])
    counts = np.diff(np.append(first, len(values)))
    kept, some = order[first], ordered[first] != 0
    kept, counts = kept[some], counts[some]
    in_time = np.argsort(kept)
    return kept[in_time], counts[in_time].astype(np.float64)


def common_divisor(values: Floats, decimals: int) -> int:
    """The greatest number that divides all values in units of 10**-decimals; 1 where unknown."""
    if not len(values) or not 0 <= decimals <= 15:
        return 1
    if np.abs(values).max() >= 2.0**53 / 10.0**decimals:
        return 1
    counts = np.rint(np.abs(values) * 10.0**decimals)
    return int(np.gcd.reduce(counts.astype(np.int64)))


def _log_tail(seen: int, wanted: float) -> float:
    """Chernoff's bound on the log of the chance that `seen` or more come up; 0 where it is none."""
    if seen < 2 or seen <= wanted:
        return 0.0
    return seen - wanted - seen * math.log(seen / max(wanted, 1e-300))


def _run(fits: Bools, chance: Floats, repeats: Floats) -> float:
    """log of how often all values up to the first that does not fit would fit by accident."""
    end = len(fits) if fits.all() else int(np.argmin(fits))
    telling = chance[:end] < 0.0
    if telling.sum() == 1 and repeats[:end][telling][0] > OFTEN:
        return 0.0
    return float(chance[:end].sum())


def _is_stretch(fits: Bools) -> bool:
    """Whether half of the fitting values, or more, come one after the other."""
    ends = np.flatnonzero(np.diff(fits, prepend=False, append=False))
    return len(ends) > 0 and bool(2 * (ends[1::2] - ends[::2]).max() >= fits.sum())


def _longest(fits: Bools, chance: Floats) -> float:
    """The same for the stretch of fitting values that says most, wherever it is."""
    gathered = np.where(fits, chance, 0.0).cumsum()
    reset = np.maximum.accumulate(np.where(fits, -np.inf, -gathered)) if not fits.all() else 0.0
    start = np.where(np.isfinite(reset), -reset, 0.0)
    return float((gathered - start).min()) + math.log(len(fits)) if len(fits) else 0.0
