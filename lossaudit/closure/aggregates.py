"""What it means that a logged number is a mean, a sum, a median or a last value.

A linear formula with fixed weights commutes with a mean and a sum over the same window. Medians,
windows that differ, products of columns and weights that change inside a window do not: there
nothing can be decided, and `why_not_additive` says why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase

import numpy as np

from lossaudit.model.table import Bools, Floats, Ints
from lossaudit.spec.aggregate import Aggregate, parse_aggregate
from lossaudit.spec.formula_text import render
from lossaudit.spec.normal_form import normal_form
from lossaudit.spec.tree import RESERVED, Expr, Name, names

CONVENTIONS = {"*_epoch": "mean", "* (mean)": "mean:float64"}
"""Tags whose writer is known by their name: Lightning ends the means of an epoch in `_epoch`, and
our text reader calls MetricLogger's "median (mean)" pairs `loss` and `loss (mean)`."""

LONGEST_WINDOW = 100_000
"""Steps between rows beyond which they are no window; samples are counted then, not steps."""

TERMS_OF_A_TRAILING_MEAN = Aggregate("step")
"""A trailing total is recomputed: its terms are single steps, whose formula is averaged here."""

RANKS = 8
"""Ranks that a mean over ranks is taken to have where nobody says; each adds one rounding."""


def conventional(tag: str, tags: Collection[str]) -> str:
    """What a tag's name, and the tags beside it, say of its aggregate; empty if nothing."""
    if f"{tag} (mean)" in tags:
        return "median"
    return next((text for glob, text in CONVENTIONS.items() if fnmatchcase(tag, glob)), "")


def aggregate_of(name: str, tag: str, declared: Mapping[str, str]) -> Aggregate | None:
    """The aggregate declared for a column by its name, tag or a glob over tags, the first first.

    Returns:
        None where nothing is declared. An exact name or tag goes before a glob.
    """
    exact = [text for key, text in declared.items() if key in (name, tag)]
    loose = [text for key, text in declared.items() if fnmatchcase(tag, key)]
    found = exact or loose
    return parse_aggregate(found[0]) if found else None


def why_not_additive(expr: Expr, total: Aggregate, terms: Mapping[str, Aggregate]) -> str | None:
    """Why the formula need not hold between these columns, or None where it must.

    Args:
        expr: the formula, families expanded, parameters replaced.
        total: the total's aggregate.
        terms: the aggregate of each name in the formula.
    """
    expected = TERMS_OF_A_TRAILING_MEAN if total.kind == "trailing" else total
    other = {name: a for name, a in sorted(terms.items()) if a != expected}
    if other:
        name, aggregate = next(iter(other.items()))
        return f"the total is logged as {total} but `{name}` as {aggregate}: they cover other steps"
    if total.kind in ("step", "last", "rank-local"):
        return None
    monomials = [m for m, _ in normal_form(expr).coefficients if m]
    if total.kind == "median" and len(monomials) > 1:
        return "medians do not add up: the median of a sum is not the sum of the medians"
    for monomial in monomials:
        varying = [atom for atom, _ in monomial if not _is_schedule(atom)]
        if len(varying) > 1 or any(power > 1 for atom, power in monomial if atom in varying):
            product = "*".join(render(a) for a in varying)
            return f"{product} is a product of logged columns, which does not survive {total}"
        if varying and not isinstance(varying[0], Name):
            return (
                f"{render(varying[0])} is not linear in the terms, so it does not survive {total}"
            )
    return None


def may_hold(total: Aggregate, terms: Mapping[str, Aggregate]) -> bool:
    """Whether columns that need not add up still do in an ordinary run.

    A total averaged over ranks beside terms of one rank closes where there is one rank only, and
    on many ranks no formula closes on every row by chance. So rows may earn a PASS, but a row that
    does not close proves nothing.
    """
    kinds = {total.kind, *(a.kind for a in terms.values())}
    return kinds == {"rank-mean", "rank-local"}


def _is_schedule(atom: Expr) -> bool:
    used = names(atom)
    return bool(used) and used <= RESERVED


def windows(
    total: Aggregate, step: Ints, known_steps: bool, step_is_epoch: bool, previous: int = -1
) -> Floats:
    """How many steps each row's window holds, shape (N,); NaN where that is unknown.

    Where the count was not declared it is the distance to the row before; the first row's window
    is taken to start at step 0.

    Args:
        total: the total's aggregate.
        step: of each row, shape (N,).
        known_steps: False where steps are mere row numbers.
        step_is_epoch: whether they count epochs.
        previous: the step of the row before the first.
    """
    if total.count is not None:
        return np.full(len(step), float(total.count))
    if not known_steps or step_is_epoch or not len(step):
        return np.full(len(step), np.nan)
    distance = np.diff(step, prepend=previous).astype(np.float64)
    return np.where((distance > 0) & (distance <= LONGEST_WINDOW), distance, np.nan)


def accumulation_roundings(
    total: Aggregate, window: Floats, magnitude: Floats, largest: Floats
) -> Floats:
    """Roundings that accumulating the window adds, shape (N,); NaN where the window is unknown.

    A mean or sum of W values adds W. An exponential average of decay A forgets slowly: an old
    rounding error still weighs A**k against a value that has shrunk by no more than A**k, so with
    M the largest magnitude logged so far it adds 3 (1 + ln(M / |y|)) / (1 - A).

    Args:
        total: the total's aggregate.
        window: from `windows`, shape (N,).
        magnitude: |total|, shape (N,).
        largest: the largest of them so far, shape (N,).
    """
    if total.kind == "ema":
        assert total.decay is not None
        with np.errstate(divide="ignore", invalid="ignore"):
            shrunk = np.log(largest / magnitude)
        return np.ceil(3 * (1 + shrunk) / (1 - total.decay))
    if total.kind in ("mean", "sum", "trailing") and not total.wide:
        return window
    if total.kind == "rank-mean":
        return np.full(len(window), float(total.count or RANKS))
    return np.zeros(len(window))


def schedule_is_fixed(schedule_values: Floats) -> Bools:
    """Whether a schedule sampled inside each window, shape (samples, N), stays the same there."""
    return np.asarray(np.all(schedule_values == schedule_values[0], axis=0))
