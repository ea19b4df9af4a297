"""In which dtype the sum was formed, and what terms on a coarser grid lost before it.

A total that was formed in bfloat16 is a bfloat16 number. So the total's own values say which dtypes
the sum may have had; a term on a coarser grid says only how that term was kept and multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from lossaudit.numerics.formats import FORMATS, gamma
from lossaudit.numerics.resolution import Resolution
from lossaudit.spec.normal_form import Polynomial
from lossaudit.spec.tree import RESERVED, Name, names


class SumDtype(Struct, frozen=True):
    """The arithmetic of a total.

    Attributes:
        dtype: of the sum.
        lost: tag -> relative error of a term that was multiplied or added in its own, coarser grid,
            beside half a step of that grid.
        total_fits: whether the total's values can lie on the grid of `dtype`.
    """

    dtype: str
    lost: Mapping[str, float] = field(default_factory=dict)
    total_fits: bool = True


class Shown(Struct, frozen=True):
    """What the columns show, in one reading.

    Attributes:
        dtype: as declared.
        total: tag of the total, or None.
        possible: the coarsest grid on which the total's values can lie.
        resolutions: tag -> how its numbers were written.
        telling: tags that show something of their own writing, else all.
    """

    dtype: str
    total: str | None
    possible: str
    resolutions: Mapping[str, Resolution]
    telling: Sequence[str]

    def coarse(self, dtype: str) -> list[str]:
        """The telling tags on a grid coarser than `dtype`."""
        return [t for t in self.telling if bits(self.resolutions[t].grid) < bits(dtype)]

    def coarsest(self, dtype: str, tags: Sequence[str]) -> str:
        """The coarsest of a dtype and the grids of some columns."""
        return coarsest_of(dtype, *(self.resolutions[t].grid for t in tags))


def likely_sum(shown: Shown, terms: Mapping[str, str], form: Polynomial) -> SumDtype:
    """The declared dtype, or a coarser grid on which the total lies, or at least half the columns.

    A single column proves nothing: a weight that grows by 1/256 a step lies on bfloat16's grid. And
    where the total's values lie off a grid, no number of terms on it makes the sum one of that
    dtype. Then their products with weights may still have been rounded to it, each once: half of u
    beside the half step that each term stands for.
    """
    dtype, total = shown.dtype, shown.total
    coarse = shown.coarse(dtype)
    if total in coarse or 2 * len(coarse) >= len(shown.telling):
        raised = shown.coarsest(dtype, coarse)
        if bits(shown.possible) <= bits(raised):
            return SumDtype(raised)
    if total in coarse:
        dtype = shown.coarsest(dtype, [str(total)])
    lost = {
        tag: 0.5 * FORMATS[shown.resolutions[tag].grid].unit_roundoff
        for name, tag in terms.items()
        if tag in shown.coarse(dtype) and _is_multiplied(name, form)
    }
    return SumDtype(dtype, lost)


def cautious_sum(shown: Shown, terms: Mapping[str, str], form: Polynomial) -> SumDtype:
    """The coarsest arithmetic that the digits do not exclude.

    Terms on a grid coarser than the total's may have been multiplied and added to each other on it
    before they met the others. Where there are no others, or the formula is more than a sum of
    products of columns, all of it may have been evaluated so and scaled or cast at its end.
    """
    dtype = coarsest_of(shown.dtype, shown.possible)
    coarse = set(shown.coarse(dtype)) - {shown.total}
    others = set(terms.values()) & set(shown.telling) - coarse
    if not coarse or not others or not _is_plain(form):
        widest = shown.coarsest(dtype, sorted(coarse))
        return SumDtype(widest, total_fits=widest == dtype)
    held = {name for name, tag in terms.items() if tag in coarse}
    mixed = [m for m, _ in form.coefficients if any(names(atom) & held for atom, _ in m)]
    degree = max((sum(power for _, power in m) for m in mixed), default=1)
    roundings = len(mixed) + 2 * int(degree)
    return SumDtype(
        dtype,
        {
            tag: float(gamma(roundings, FORMATS[shown.resolutions[tag].grid].unit_roundoff))
            for tag in sorted(coarse)
        },
    )


def coarsest_of(*dtypes: str) -> str:
    """The dtype of the fewest digits."""
    return min(dtypes, key=bits)


def bits(dtype: str) -> int:
    """Digits of a dtype's significand."""
    return FORMATS[dtype].significand_bits


def _is_multiplied(name: str, form: Polynomial) -> bool:
    """Whether a term has a weight that costs a rounding, or is in more than a weighted sum."""
    return any(
        monomial != ((Name(name), 1),) or abs(math.frexp(weight)[0]) != 0.5
        for monomial, weight in form.coefficients
        if any(name in names(atom) for atom, _ in monomial)
    )


def _is_plain(form: Polynomial) -> bool:
    """Whether every addend is a weight, fixed or scheduled, times columns."""
    return all(
        any(isinstance(atom, Name) and atom.name not in RESERVED for atom, _ in monomial)
        and all(isinstance(atom, Name) or names(atom) <= RESERVED for atom, _ in monomial)
        for monomial, _ in form.coefficients
    )
