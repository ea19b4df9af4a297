"""Columns that show nothing of their own writing take it from the columns beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from lossaudit.numerics.formats import FORMATS
from lossaudit.numerics.resolution import Resolution


def resolve_constants(found: Sequence[Resolution], cautious: bool = False) -> list[Resolution]:
    """Let columns that show nothing of their own writing take it from the columns beside them.

    A column of zeros, "0.0" in a file of full-precision numbers, fits one decimal as well as
    seventeen; its writer is the one that wrote the other columns. So does a column of few values,
    such as a weight that is 0.1, 0.2, ... 1.0. Where all the others show a fixed number of
    decimals and so does this one, its own digits count.

    Args:
        found: one per column.
        cautious: whether the coarsest way of the others is taken, beside the column's own where
            that shows a fraction; else the finest of the others.
    """
    telling = [r for r in found if not (r.constant or r.few)]
    if cautious and not telling:
        telling = [r for r in found if r.decimals]  # a row of zeros beside one rounded number
    if not telling:
        return list(found)
    fixed = all(r.fixed for r in telling)
    shared = _shared(telling, cautious)

    def settled(own: Resolution) -> Resolution:
        if not (own.constant or own.few):
            return own
        if fixed and own.fixed:
            return replace(own, constant=False)
        taken = replace(shared, constant=own.constant, few=own.few)
        if not cautious or not own.decimals:
            return taken
        return replace(taken, decimals=_least([own.decimals, shared.decimals]), digits=own.digits)

    return [settled(r) for r in found]


def resolve_round(found: Mapping[str, Resolution], total: str) -> dict[str, Resolution]:
    """The terms whose few round values may be exact, as if they had been written like the others.

    Args:
        found: tag -> the likely reading of a column.
        total: tag of the total, which nobody chooses.

    Returns:
        Empty where no column is such, or all are.
    """
    telling = [r for tag, r in found.items() if not r.round or tag == total]
    shared = _shared(telling, cautious=False) if telling else Resolution()
    bare = {tag: r for tag, r in found.items() if r.round and tag != total}
    exact = {tag: _finer(replace(r, mixture=None), shared) for tag, r in bare.items()}
    return {tag: r for tag, r in exact.items() if r != bare[tag]}


def _finer(own: Resolution, shared: Resolution) -> Resolution:
    if own.decimals is None or (shared.decimals is not None and own.decimals >= shared.decimals):
        return own
    return shared


def _shared(telling: Sequence[Resolution], cautious: bool) -> Resolution:
    """The coarsest way of writing among columns, or the finest."""
    choose = _least if cautious else _most
    bits = {r.grid: FORMATS[r.grid].significand_bits for r in telling}
    return Resolution(
        choose([r.coarsest_decimals() if cautious else r.decimals for r in telling]),
        choose([r.digits for r in telling]),
        (min if cautious else max)(bits, key=lambda grid: bits[grid]),
        next((r.narrowed for r in telling if r.narrowed), None),
        next((r.shortest for r in telling if r.shortest), None),
        all(r.certain for r in telling),
    )


def _least(counts: list[int | None]) -> int | None:
    """The fewest digits; None where all columns show full ones."""
    return min((c for c in counts if c is not None), default=None)


def _most(counts: list[int | None]) -> int | None:
    """The most digits; None where some column shows full ones."""
    known = [c for c in counts if c is not None]
    return max(known) if len(known) == len(counts) else None
