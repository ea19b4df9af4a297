"""Formulas that the declared one may have been mistaken for, and which of them every row allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
from msgspec import Struct, field

from lossaudit.closure.outcome import Outcome
from lossaudit.closure.panel import Panel
from lossaudit.closure.rivals import monomial_name
from lossaudit.closure.trial import Blocks
from lossaudit.numerics.simplest import simplest_number
from lossaudit.spec.normal_form import Monomial, Polynomial, in_backquotes, to_expr
from lossaudit.spec.tree import Expr, to_float

MOST_PAIRED = 12
"""Terms up to which pairs of missing ones are tried."""


class Candidate(Struct, frozen=True):
    """A formula with the check that speaks of it, what it would mean, and numbers, JSON-ready."""

    check: str
    summary: str
    expr: Expr
    facts: Mapping[str, Any] = field(default_factory=dict)


def candidates(form: Polynomial) -> list[Candidate]:
    """What is often done to a formula: a term doubled, weighted already, turned, two left out."""
    weights = {m: c for m, c in form.coefficients if m}
    found = []
    for monomial, weight in weights.items():
        name = in_backquotes(monomial_name(monomial))
        sign = Fraction(1 if weight > 0 else -1)
        if len(weights) > 1:
            found.append(_changed(form, {monomial: 2 * weight}, *_DOUBLED, name))
            if abs(weight) != 1:
                found.append(_changed(form, {monomial: sign}, *_WEIGHTED, name))
            found.append(_changed(form, {monomial: -weight}, *_TURNED, name))
    if len(weights) <= MOST_PAIRED:
        for pair in combinations(weights, 2):
            if len(weights) > 2:
                names = ", ".join(in_backquotes(monomial_name(m)) for m in pair)
                found.append(_changed(form, dict.fromkeys(pair, Fraction(0)), *_MISSING, names))
    return found


_PLAIN_SUM = "the logged terms hold their weights already, or their weights are never applied"
_DOUBLED = "double-counted-term", "{0} is counted twice in the total"
_MISSING = "term-not-in-total", "{0} are logged but not in the total"
_TURNED = "formula-mismatch", "{0} has the opposite sign in the total"
_WEIGHTED = (
    "weighted-or-raw",
    "{0} holds its weight already, or its weight is never applied",
)


def _changed(
    form: Polynomial, changes: Mapping[Monomial, Fraction], check: str, summary: str, name: str
) -> Candidate:
    kept = {**dict(form.coefficients), **changes}
    expr = to_expr(Polynomial(tuple((m, c) for m, c in kept.items() if c)))
    return Candidate(check, summary.format(name), expr)


def from_certified(form: Polynomial, outcome: Outcome) -> list[Candidate]:
    """The formula of the simplest weights that all rows allow, if some do."""
    box = outcome.box
    if box is None or not box.complete or not np.isfinite([box.low, box.high]).all():
        return []
    changes: dict[Monomial, Fraction] = {}
    kinds: list[tuple[str, str]] = []
    ends = zip(form.coefficients, box.low.tolist(), box.high.tolist(), strict=True)
    for (monomial, weight), low, high in ends:
        if low <= to_float(weight) <= high:
            continue
        value, kind = _nearest_pattern(weight, low, high)
        changes[monomial] = value
        name = in_backquotes(monomial_name(monomial))
        said = f"{name} has weight {to_float(value):g}, not {to_float(weight):g}"
        kinds.append((kind, said))
    if not changes:
        return []
    check = kinds[0][0] if len({k for k, _ in kinds}) == 1 else "formula-mismatch"
    return [_changed(form, changes, check, "{0}", ", ".join(said for _, said in kinds[:3]))]


def _nearest_pattern(weight: Fraction, low: float, high: float) -> tuple[Fraction, str]:
    """A weight inside the interval, and the check that such a weight is known by."""
    patterns = (
        (Fraction(0), "term-not-in-total"),
        (2 * weight, "double-counted-term"),
        (Fraction(1 if weight > 0 else -1), "weighted-or-raw"),
    )
    for value, check in patterns:
        if low <= to_float(value) <= high:
            return value, check
    return Fraction(repr(simplest_number(low, high))), "formula-mismatch"


def survivors(tried: Sequence[Candidate], trial: Blocks, least: int) -> list[Candidate]:
    """The candidates that no row refutes and that at least so many rows decide.

    A row that refutes a candidate as it was likely written counts against it, also where another
    way of writing would excuse it: what is said for certain needs no excuse. A candidate is dropped
    at the first row that refutes it, so that most cost one block.
    """
    if not tried:
        return []
    panel = Panel(tried[0].expr, [c.expr for c in tried])
    alive, decided = list(range(len(tried))), dict.fromkeys(range(len(tried)), 0)
    for rows, prepared in trial.blocks():
        if not alive:
            return []
        if not len(rows):
            continue
        for place, judged in zip(list(alive), panel.judge(prepared, alive)[1], strict=True):
            if judged is None or judged.excused.any():
                alive.remove(place)
                continue
            finite = ~judged.decision.nonfinite
            if (judged.decision.refuted & finite).any():
                alive.remove(place)
            else:
                decided[place] += int(np.count_nonzero(judged.decision.decided & finite))
    return [tried[i] for i in alive if decided[i] >= least]


def automatic(outcome: Outcome) -> Iterator[Candidate]:
    """The automatic rivals that no row refutes."""
    for rival in outcome.fitting():
        if not rival.automatic:
            continue
        kind, _, what = rival.name.partition(" ")
        if kind == "drop":
            said = f"{in_backquotes(what)} is logged but not in the total"
            yield Candidate("term-not-in-total", said, rival.expr)
        elif kind == "exchange":
            said = f"the weights of {what} have changed places"
            yield Candidate("swapped-weights", said, rival.expr)
        else:
            yield Candidate("weighted-or-raw", _PLAIN_SUM, rival.expr)
