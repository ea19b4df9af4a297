"""The closure engine: a fold over blocks of rows, like a metric with update, merge and result.

It never looks back, and what it keeps does not grow with the log: counts, the first violations,
histograms of shares, a thinned series, and the rows that bind the weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field

from lossaudit.closure.blocks import Prepared
from lossaudit.closure.counting import leaning_of, reasons_of, tally_of
from lossaudit.closure.decide import Block, Decision
from lossaudit.closure.odd_rows import OddRows, lacking_rows, nonfinite_rows
from lossaudit.closure.outcome import Leaning, Outcome, Tally, ViolatingRow
from lossaudit.closure.panel import Panel
from lossaudit.closure.refuted_runs import RefutedRuns
from lossaudit.closure.rivals import Candidate, monomial_name
from lossaudit.closure.rows import NO_TOTAL, Rows
from lossaudit.closure.series import SeriesFold
from lossaudit.closure.shares import ShareHistograms
from lossaudit.closure.weigh import Moments, weigh
from lossaudit.closure.weight_fold import EXACT, WeightFold
from lossaudit.closure.weights import longest
from lossaudit.spec.normal_form import Polynomial, normal_form
from lossaudit.spec.tree import Expr, ordered_names, to_float

FIRST_VIOLATIONS = 20

ENOUGH = 1000
"""Rows that must refute an automatic rival before it is asked no more: nothing can save it."""


class Closure(Struct):
    """Decides the declared formula and its rivals on block after block.

    Args:
        declared: without families and parameters.
        rivals: what the declared formula must be told from.
        printed: whether the total shows few digits, so that its rounding can be seen.
        exact: see `WeightFold`.
    """

    declared: Expr
    rivals: Sequence[Candidate]
    printed: bool = False
    exact: int = EXACT
    _tally: Tally = field(default_factory=Tally)
    _rival_tallies: list[Tally] = field(default_factory=list)
    _excused: int = 0
    _assumption: str = ""
    _undecided: Counter[str] = field(default_factory=Counter)
    _violations: list[ViolatingRow] = field(default_factory=list)
    _runs: RefutedRuns = field(default_factory=RefutedRuns)
    _rows: int = 0
    _duplicates: int = 0
    _steps: tuple[int, int] | None = None
    _shares: ShareHistograms = field(default_factory=ShareHistograms)
    _series: SeriesFold = field(default_factory=SeriesFold)
    _weights: WeightFold = None  # type: ignore[assignment]  # __post_init__
    _moments: Moments = field(default_factory=Moments)
    _nonfinite: OddRows = field(default_factory=OddRows)
    _lacking: OddRows = field(default_factory=OddRows)
    _rounded: int = 0
    _first_rounded: ViolatingRow | None = None
    _leaning: Leaning = field(default_factory=Leaning)
    _panel: Panel = None  # type: ignore[assignment]  # __post_init__
    _form: Polynomial = None  # type: ignore[assignment]  # __post_init__
    _names: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._rival_tallies = self._rival_tallies or [Tally() for _ in self.rivals]
        self._weights = self._weights or WeightFold(self.exact)
        self._panel = Panel(self.declared, [r.expr for r in self.rivals])
        self._form = normal_form(self.declared)
        self._names = ordered_names(self.declared)

    def update(self, rows: Rows, prepared: Prepared) -> None:
        """Decide the next rows of the log."""
        self._count(rows)
        if not len(rows):
            return
        asked = [i for i in range(len(self.rivals)) if not self._is_settled(i)]
        judged, others = self._panel.judge(prepared, asked)
        self._tally = self._tally.merge(tally_of(judged, rows, prepared.block, self._tally.sharp))
        for i, other in zip(asked, others, strict=True):
            if other is not None:
                counted = tally_of(other, rows, prepared.block, sharp=1)
                self._rival_tallies[i] = self._rival_tallies[i].merge(counted)
        decision, excused = judged.decision, judged.excused
        self._excused += int(np.count_nonzero(excused))
        self._leaning = self._leaning.merge(leaning_of(judged))
        self._assumption = prepared.assumption
        self._undecided.update(reasons_of(judged, prepared))
        if len(self._violations) < FIRST_VIOLATIONS:
            refuted = np.flatnonzero(decision.refuted)[: FIRST_VIOLATIONS - len(self._violations)]
            self._violations += [self._row(i, rows, prepared.block, decision) for i in refuted]
        self._runs.update(rows.step, decision.decided, decision.refuted)
        self._notice(rows, prepared.block, decision)
        self._show(rows, prepared.block, decision)
        self._weigh(rows, prepared.block, decision)

    def merge(self, later: Closure) -> None:
        """Append the state of a fold over rows that come after these."""
        self._tally = self._tally.merge(later._tally)
        pairs = zip(self._rival_tallies, later._rival_tallies, strict=True)
        self._rival_tallies = [a.merge(b) for a, b in pairs]
        self._excused += later._excused
        self._assumption = self._assumption or later._assumption
        self._undecided.update(later._undecided)
        self._violations = (self._violations + later._violations)[:FIRST_VIOLATIONS]
        self._runs.merge(later._runs)
        self._rows += later._rows
        self._duplicates += later._duplicates
        ends = [s for s in (self._steps, later._steps) if s is not None]
        self._steps = (ends[0][0], ends[-1][1]) if ends else None
        self._shares.merge(later._shares)
        self._series.merge(later._series)
        self._weights.merge(later._weights)
        self._moments.merge(later._moments)
        self._nonfinite = self._nonfinite.merge(later._nonfinite)
        self._lacking = self._lacking.merge(later._lacking)
        self._rounded += later._rounded
        self._leaning = self._leaning.merge(later._leaning)
        self._first_rounded = self._first_rounded or later._first_rounded

    def result(self) -> Outcome:
        """Everything that the rows so far say."""
        weights = {monomial_name(m): to_float(c) for m, c in self._form.coefficients}
        stretches = self._weights.result()
        box = longest([s.box for s in stretches], len(weights))
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
            next(((s.first, s.last) for s in stretches if s.box is box), None),
            self._moments.correlated(list(weights)),
            self._shares.result(),
            self._series.result().columns(),
            tuple(stretches),
            self._duplicates,
            self._moments.constants(list(weights)),
            self._nonfinite,
            self._lacking,
            self._rounded,
            self._first_rounded,
            self._runs.result(),
            self._leaning,
        )

    @property
    def has_one_stretch(self) -> bool:
        """Whether some weights satisfy all rows so far, or none were sought."""
        return len(self._weights.result()) <= 1

    def _is_settled(self, place: int) -> bool:
        """Whether a rival need not be asked again."""
        return self.rivals[place].automatic and self._rival_tallies[place].refuted >= ENOUGH

    def _count(self, rows: Rows) -> None:
        """Count rows, repeated steps, and records that hold every term and no total."""
        self._rows += len(rows) + rows.orphans
        self._duplicates += rows.duplicates
        if rows.orphans:
            self._undecided[NO_TOTAL] += rows.orphans
        if len(rows):
            first = int(rows.step[0]) if self._steps is None else self._steps[0]
            self._steps = (first, int(rows.step[-1]))

    def _notice(self, rows: Rows, block: Block, decision: Decision) -> None:
        """Count rows that are odd, and rows that add up only thanks to their rounding."""
        self._nonfinite = self._nonfinite.merge(nonfinite_rows(rows, block, self._names))
        self._lacking = self._lacking.merge(lacking_rows(rows, block, self._names))
        if not self.printed:
            return
        with np.errstate(invalid="ignore"):
            off = np.abs(decision.residual) > block.total_half * (1 + 1e-6)
        # a total with more digits than its sum has was not cut when it was printed
        off &= block.total_half > block.arithmetic.form.unit_roundoff * np.abs(block.total)
        off &= decision.decided & ~decision.refuted
        count = int(np.count_nonzero(off))
        self._rounded += count
        if count and self._first_rounded is None:
            self._first_rounded = self._row(int(np.argmax(off)), rows, block, decision)

    def _row(self, i: int, rows: Rows, block: Block, decision: Decision) -> ViolatingRow:
        """One row with its numbers."""
        return ViolatingRow(
            int(rows.records[i]),
            int(rows.step[i]),
            float(block.total[i]),
            float(decision.recomputed[i]),
            float(decision.residual[i]),
            float(decision.tolerance[i]),
            {n: float(block.columns[n].value[i]) for n in self._names},
        )

    def _show(self, rows: Rows, block: Block, decision: Decision) -> None:
        """Take the decided rows into the series for plots."""
        columns = {
            "step": rows.step.astype(np.float64),
            "total": block.total,
            "recomputed": decision.recomputed,
            "residual": decision.residual,
            "tolerance": decision.tolerance,
        }
        columns |= {name: block.columns[name].value for name in self._names}
        if not decision.decided.all():
            columns = {name: values[decision.decided] for name, values in columns.items()}
        self._series.update(columns)

    def _weigh(self, rows: Rows, block: Block, decision: Decision) -> None:
        """Collect the rows as inequalities in the weights, and the terms' shares."""
        found = weigh(self._form, block, decision.decided & ~decision.nonfinite)
        if found is None or not len(found[0]):
            return
        ready, usable = found
        self._weights.update(ready, rows.step if usable.all() else rows.step[usable])
        self._moments.update(ready.terms)
        coefficients = np.array([to_float(c) for _, c in self._form.coefficients])
        labels = [monomial_name(m) for m, _ in self._form.coefficients]
        self._shares.update(labels, ready.terms.T * coefficients[:, None])
