"""Formulas that the declared one must be told from: the named ones, or automatic ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain, combinations, islice

from msgspec import Struct

from lossaudit.spec.formula_text import render
from lossaudit.spec.normal_form import Monomial, Polynomial, monomial_expr, normal_form, to_expr
from lossaudit.spec.tree import Expr

MOST_AUTOMATIC = 160
"""Enough for every pair of 15 different weights."""


class Candidate(Struct, frozen=True):
    """A rival formula; `automatic` where nobody named it."""

    name: str
    expr: Expr
    automatic: bool = False


def rivals_of(declared: Expr, named: Mapping[str, Expr]) -> list[Candidate]:
    """Named rivals, then automatic ones, without any that say the same.

    Automatic rivals are: each term dropped, all weights 1, two weights exchanged. A rival whose
    normal form equals the declared formula's, or an earlier rival's, is left out.
    """
    form = normal_form(declared)
    own = ((Candidate(n, e), normal_form(e)) for n, e in named.items())
    return _distinct(form, chain(own, islice(_automatic(form), MOST_AUTOMATIC)))


def same_as(declared: Expr, named: Mapping[str, Expr]) -> tuple[str, ...]:
    """Named rivals that are the declared formula in other words."""
    form = normal_form(declared)
    return tuple(name for name, expr in named.items() if normal_form(expr) == form)


def _distinct(
    declared: Polynomial, candidates: Iterable[tuple[Candidate, Polynomial]]
) -> list[Candidate]:
    seen, kept = {declared}, list[Candidate]()
    for candidate, form in candidates:
        if form not in seen:
            seen.add(form)
            kept.append(candidate)
    return kept


def _automatic(form: Polynomial) -> Iterator[tuple[Candidate, Polynomial]]:
    weights = {m: c for m, c in form.coefficients if m}
    constants = {m: c for m, c in form.coefficients if not m}

    def candidate(name: str, changed: Mapping[Monomial, Fraction]) -> tuple[Candidate, Polynomial]:
        kept = Polynomial(tuple((m, c) for m, c in {**changed, **constants}.items() if c))
        return Candidate(name, to_expr(kept), automatic=True), kept

    for dropped in weights:
        rest = {m: c for m, c in weights.items() if m != dropped}
        yield candidate(f"drop {monomial_name(dropped)}", rest)
    signs = {m: Fraction(1 if c > 0 else -1) for m, c in weights.items()}
    yield candidate("all weights 1", signs)
    for a, b in combinations(weights, 2):
        if weights[a] != weights[b]:
            name = f"exchange {monomial_name(a)}, {monomial_name(b)}"
            yield candidate(name, {**weights, a: weights[b], b: weights[a]})


def monomial_name(monomial: Monomial) -> str:
    """What a weight is called after: the term, or the product that it multiplies."""
    return render(monomial_expr(monomial)) if monomial else "1"
