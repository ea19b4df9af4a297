"""The closure engine: a fold over blocks of rows, like a metric with update, merge and result.

It never looks back: what it keeps is counts, the first violations, histograms of shares, a thinned
series, and each row's inequality in the weights (two numbers a term and two a row).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lossaudit.closure.blocks import Prepared, weighted_terms
from lossaudit.closure.decide import Block, Decision, decide
from lossaudit.closure.outcome import Outcome, Tally, ViolatingRow
from lossaudit.closure.rivals import Candidate, monomial_name
from lossaudit.closure.rows import Rows
from lossaudit.closure.series import Series, thin
from lossaudit.closure.shares import ShareHistograms
from lossaudit.closure.weights import WeightBox, WeightRows, certify
from lossaudit.model.table import Bools, Floats
from lossaudit.spec.normal_form import monomial_expr, normal_form
from lossaudit.spec.tree import Expr, names, ordered_names, to_float

FIRST_VIOLATIONS = 20

SHARP = 0.25
"""Share of its total below which a row's tolerance must lie for its agreement to mean something."""
LARGEST = 1e100
"""Rows beyond this are left out of the weights' program, whose arithmetic they would overflow."""


@dataclass(slots=True)
class Closure:
    """Decides the declared formula and its rivals on block after block.

    Args:
        declared: without families and parameters.
        rivals: what the declared formula must be told from.
    """

    declared: Expr
    rivals: Sequence[Candidate]
    _tally: Tally = field(default_factory=Tally)
    _rival_tallies: list[Tally] = field(default_factory=list)
    _excused: int = 0
    _assumption: str = ""
    _undecided: Counter[str] = field(default_factory=Counter)
    _violations: list[ViolatingRow] = field(default_factory=list)
    _rows: int = 0
    _steps: tuple[int, int] | None = None
    _shares: ShareHistograms = field(default_factory=ShareHistograms)
    _series: Series = field(default_factory=Series)
    _weight_rows: list[WeightRows] = field(default_factory=list)
    _weight_steps: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rival_tallies = [Tally() for _ in self.rivals]

    def update(self, rows: Rows, prepared: Prepared) -> None:
        """Decide the next rows of the log."""
        if not len(rows):
            return
        block = prepared.block
        decision, excused = _decide(self.declared, prepared)
        decision = replace(decision, decided=decision.decided & ~excused)
        self._tally = self._tally.merge(_tally(decision, rows, block.total))
        for i, rival in enumerate(self.rivals):
            if names(rival.expr) <= set(block.columns):
                outcome, _ = _decide(rival.expr, prepared)
                self._rival_tallies[i] = self._rival_tallies[i].merge(
                    _tally(outcome, rows, block.total)
                )
        self._excused += int(excused.sum())
        self._assumption = prepared.assumption
        self._undecided.update(_reasons(decision, prepared, excused))
        self._violations += _violating(decision, rows, block, ordered_names(self.declared))
        del self._violations[FIRST_VIOLATIONS:]
        self._rows += len(rows) + rows.orphans
        if rows.orphans:
            self._undecided["a record holds every term and no total"] += rows.orphans
        first = int(rows.step[0]) if self._steps is None else self._steps[0]
        self._steps = (first, int(rows.step[-1]))
        self._series = thin([self._series, _series(rows, block, decision, self.declared)])
        self._weigh(rows, block, decision)

    def merge(self, later: Closure) -> None:
        """Append the state of a fold over rows that come after these."""
        self._tally = self._tally.merge(later._tally)
        pairs = zip(self._rival_tallies, later._rival_tallies, strict=True)
        self._rival_tallies = [a.merge(b) for a, b in pairs]
        self._excused += later._excused
        self._assumption = self._assumption or later._assumption
        self._undecided.update(later._undecided)
        self._violations = (self._violations + later._violations)[:FIRST_VIOLATIONS]
        self._rows += later._rows
        ends = [s for s in (self._steps, later._steps) if s is not None]
        self._steps = (ends[0][0], ends[-1][1]) if ends else None
        self._shares.merge(later._shares)
        self._series = thin([self._series, later._series])
        self._weight_rows += later._weight_rows
        self._weight_steps += later._weight_steps

    def result(self) -> Outcome:
        """Everything that the rows so far say."""
        weights = {
            monomial_name(m): to_float(c) for m, c in normal_form(self.declared).coefficients
        }
        box: WeightBox | None = None
        stretch: tuple[int, int] | None = None
        correlated: tuple[tuple[str, str, float], ...] = ()
        if self._weight_rows:
            joined, steps = _join(self._weight_rows), np.concatenate(self._weight_steps)
            box = certify(joined)
            correlated = _correlated(joined, list(weights))
            if box is not None:
                stretch = (int(steps[box.start]), int(steps[box.stop - 1]))
        return Outcome(
            self._rows,
            self._tally,
            tuple(zip(self.rivals, self._rival_tallies, strict=True)),
            dict(self._undecided),
            self._excused,
            self._assumption,
            tuple(self._violations),
            self._steps,
            weights,
            box,
            stretch,
            correlated,
            self._shares.result(),
            self._series.columns(),
        )

    def _weigh(self, rows: Rows, block: Block, decision: Decision) -> None:
        """Collect the rows as inequalities in the weights, and the terms' shares."""
        form = normal_form(self.declared).coefficients
        chosen = decision.decided & ~decision.nonfinite
        if not chosen.any() or not form or len(form) > 64:
            return
        values, relative = weighted_terms([monomial_expr(m) for m, _ in form], block)
        shape = block.total.shape
        terms = np.column_stack([np.broadcast_to(v.value, shape) for v in values])[chosen]
        radius = np.column_stack([np.broadcast_to(v.radius, shape) for v in values])[chosen]
        magnitude = np.column_stack([np.broadcast_to(v.magnitude, shape) for v in values])[chosen]
        bound = np.broadcast_to(relative, shape)[chosen][:, None]
        eta = 0.5 * len(form) * block.arithmetic.form.smallest_subnormal
        coefficients = np.array([to_float(c) for _, c in form])
        usable = np.asarray((np.abs(np.hstack([terms, radius])) < LARGEST).all(axis=1))
        usable &= np.abs(block.total[chosen]) < LARGEST
        ready = WeightRows(
            block.total[chosen],
            terms,
            block.total_half[chosen] + eta,
            radius + bound * magnitude,
            np.sign(coefficients),
        ).part(usable)
        if len(ready):
            self._weight_rows.append(ready)
            self._weight_steps.append(rows.step[chosen][usable].astype(np.float64))
            self._shares.update([monomial_name(m) for m, _ in form], ready.terms * coefficients)


def _tally(decision: Decision, rows: Rows, total: Floats) -> Tally:
    steps = rows.step[decision.refuted]
    ends = (int(steps[0]), int(steps[-1])) if len(steps) else (None, None)
    return Tally(
        int(decision.decided.sum()),
        int(decision.refuted.sum()),
        int(decision.nonfinite.sum()),
        int((decision.decided & (decision.tolerance <= SHARP * np.abs(total))).sum()),
        *ends,
    )


def _decide(expr: Expr, prepared: Prepared) -> tuple[Decision, Bools]:
    """The decision, and the rows that are refuted in the likely reading but not in the cautious.

    The tolerance is the one that a row must exceed to be refuted.
    """
    decision = decide(expr, names(expr), prepared.block)
    if prepared.cautious is None:
        return decision, np.zeros(decision.refuted.shape, bool)
    cautious = decide(expr, names(expr), prepared.cautious)
    refuted = decision.refuted & cautious.refuted
    widest = replace(decision, refuted=refuted, tolerance=cautious.tolerance)
    return widest, decision.refuted & ~refuted


def _reasons(decision: Decision, prepared: Prepared, excused: Bools) -> dict[str, int]:
    """Why rows stayed undecided, each counted under its first reason."""
    open_rows, counts = ~decision.decided, {}
    reasons = {"a term is missing from the row": decision.missing, **prepared.barred}
    reasons[f"it closes only if {prepared.assumption}"] = excused
    reasons["not finite on both sides, or bounds that say nothing"] = decision.vague
    for reason, where in reasons.items():
        counts[reason] = int((where & open_rows).sum())
        open_rows = open_rows & ~where
    return {reason: count for reason, count in counts.items() if count}


def _violating(
    decision: Decision, rows: Rows, block: Block, terms: tuple[str, ...]
) -> list[ViolatingRow]:
    return [
        ViolatingRow(
            int(rows.records[i]),
            int(rows.step[i]),
            float(block.total[i]),
            float(decision.recomputed[i]),
            float(decision.residual[i]),
            float(decision.tolerance[i]),
            {n: float(block.columns[n].value[i]) for n in terms},
        )
        for i in np.flatnonzero(decision.refuted)[:FIRST_VIOLATIONS]
    ]


def _series(rows: Rows, block: Block, decision: Decision, declared: Expr) -> Series:
    shown = decision.decided
    columns = {
        "step": rows.step.astype(np.float64),
        "total": block.total,
        "recomputed": decision.recomputed,
        "residual": decision.residual,
        "tolerance": decision.tolerance,
    }
    for name in ordered_names(declared):
        columns[name] = block.columns[name].value
    return Series({name: values[shown] for name, values in columns.items()})


def _join(parts: list[WeightRows]) -> WeightRows:
    if len(parts) == 1:
        return parts[0]
    return WeightRows(
        np.concatenate([p.total for p in parts]),
        np.concatenate([p.terms for p in parts]),
        np.concatenate([p.slack for p in parts]),
        np.concatenate([p.spread for p in parts]),
        parts[0].signs,
    )


def _correlated(rows: WeightRows, labels: list[str]) -> tuple[tuple[str, str, float], ...]:
    """Pairs of terms whose values move together with a correlation above 0.95."""
    if len(rows) < 3:
        return ()
    with np.errstate(divide="ignore", invalid="ignore"):
        matrix = np.atleast_2d(np.corrcoef(rows.terms, rowvar=False))
    return tuple(
        (labels[i], labels[j], float(matrix[i, j]))
        for i in range(len(labels))
        for j in range(i + 1, len(labels))
        if abs(matrix[i, j]) > 0.95
    )
