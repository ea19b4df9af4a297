"""The declared formula and its rivals before the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit.closure.blocks import Prepared
from lossaudit.closure.decide import Block, Decision, decide
from lossaudit.closure.linear import Linear, Terms, as_linear, evaluate_all, terms_of
from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.bounded import Arithmetic
from lossaudit.spec.tree import Expr, names


class Judged(Struct, frozen=True):
    """A formula's outcome on a block.

    Attributes:
        decision: its tolerance is the one that a row must exceed to be refuted.
        excused: rows that are refuted in the likely reading but not in the cautious one; the
            declared formula leaves them undecided.
        leaning: rows that close only if terms of few round values were rounded; asked of the
            declared formula only.
    """

    decision: Decision
    excused: Bools
    leaning: Bools | None = None


class Panel(Struct):
    """Formulas that are put to every row.

    Args:
        declared: the declared formula.
        rivals: the others.
    """

    declared: Expr
    rivals: Sequence[Expr]
    _linear: dict[tuple[int, str], Linear | None] = field(default_factory=dict)

    def judge(self, prepared: Prepared, asked: Sequence[int]) -> tuple[Judged, list[Judged | None]]:
        """Put the declared formula and some rivals to a block.

        Args:
            prepared: the rows.
            asked: which rivals, by their places.

        Returns:
            The declared formula's outcome, and those of the rivals; None for one that speaks of a
            column that the log does not have.
        """
        known = set(prepared.block.columns)
        wanted = [i for i in asked if names(self.rivals[i]) <= known]
        all_at_once = self._together([-1, *wanted], prepared)
        if all_at_once is None:
            found = [_one_by_one(self._formula(i), prepared) for i in (-1, *wanted)]
        else:
            found = all_at_once
        first = found[0]
        decided = first.decision.decided & ~first.excused
        leaning = None
        if prepared.exact is not None:
            exact = decide(self.declared, names(self.declared), prepared.exact)
            leaning = decided & ~first.decision.refuted & exact.refuted
        declared = Judged(replace(first.decision, decided=decided), first.excused, leaning)
        others = dict(zip(wanted, found[1:], strict=True))
        return declared, [others.get(i) for i in asked]

    def _formula(self, place: int) -> Expr:
        return self.declared if place < 0 else self.rivals[place]

    def _together(self, places: Sequence[int], prepared: Prepared) -> list[Judged] | None:
        """All at once, where every formula is a weighted sum and every row is plain."""
        block, cautious = prepared.block, prepared.cautious
        likely = self._weighted_sums(places, block.arithmetic)
        if likely is None:
            return None
        used = list(dict.fromkeys(n for f in likely for n in f.weights))
        terms = terms_of(used, block)
        outcome = evaluate_all(likely, terms, block) if terms is not None else None
        if outcome is None:
            return None
        residuals, tolerances = block.total - outcome[0], outcome[1]
        beyond = np.abs(residuals) > tolerances
        refuted = beyond
        if cautious is not None:
            widest = self._widest(places, used, cautious)
            if widest is None:
                return None
            tolerances, refuted = widest, beyond & (np.abs(residuals) > widest)
        return _judged(outcome[0], residuals, tolerances, refuted, beyond)

    def _widest(self, places: Sequence[int], used: Sequence[str], cautious: Block) -> Floats | None:
        """The tolerances of the cautious reading."""
        formulas = self._weighted_sums(places, cautious.arithmetic)
        terms: Terms | None = terms_of(used, cautious)
        if formulas is None or terms is None:
            return None
        outcome = evaluate_all(formulas, terms, cautious)
        return None if outcome is None else outcome[1]

    def _weighted_sums(self, places: Sequence[int], arithmetic: Arithmetic) -> list[Linear] | None:
        found = []
        for place in places:
            key = place, arithmetic.dtype
            if key not in self._linear:
                bare = Arithmetic(arithmetic.dtype)
                self._linear[key] = as_linear(self._formula(place), bare)
            linear = self._linear[key]
            if linear is None:
                return None
            found.append(linear)
        return found


def _judged(
    values: Floats, residuals: Floats, tolerances: Floats, refuted: Bools, beyond: Bools
) -> list[Judged]:
    """One outcome for each row of the matrices, on rows that are all decided."""
    everywhere, nowhere = np.ones(values.shape[1], bool), np.zeros(values.shape[1], bool)
    return [
        Judged(Decision(v, r, t, everywhere, f, nowhere, nowhere, nowhere), b & ~f)
        for v, r, t, f, b in zip(values, residuals, tolerances, refuted, beyond, strict=True)
    ]


def _one_by_one(expr: Expr, prepared: Prepared) -> Judged:
    """The general way: operation by operation."""
    needed = names(expr)
    decision = decide(expr, needed, prepared.block)
    if prepared.cautious is None:
        return Judged(decision, np.zeros(decision.refuted.shape, bool))
    cautious = decide(expr, needed, prepared.cautious)
    refuted = decision.refuted & cautious.refuted
    widest = replace(decision, refuted=refuted, tolerance=cautious.tolerance)
    return Judged(widest, decision.refuted & ~refuted)
