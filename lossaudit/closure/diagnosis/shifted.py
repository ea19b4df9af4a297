"""Does each total belong to terms of the row before or of the row after: one of them, or all?

A term that is kept from the step before, or logged a row late, closes on hardly any row, and on
every one as soon as its column is moved by a row.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.closure.decide import decide
from lossaudit.closure.diagnosis.explanation import Explanation
from lossaudit.closure.diagnosis.neighbours import Judged, neighbours
from lossaudit.closure.outcome import Outcome
from lossaudit.closure.trial import Trial
from lossaudit.spec.normal_form import in_backquotes
from lossaudit.spec.tree import Expr, names, ordered_names

LEAST_ROWS = 10
"""Refuted rows that a shift must explain."""

LEAST_BITS = 40.0
"""How unlikely it must be, as a power of 1/2, that all of them close by chance."""

MOST_ALONE = 0.1
"""Share of the refuted rows that may have no neighbour, beside the one at an end of the log."""

_BITS_A_ROW = 20.0


class Shift(Struct):
    """Terms of the row before (-1) or after (+1) the total's, and what was found of them.

    Attributes:
        terms: their names, and those of the other columns that go with them.
        rows: -1 or 1.
        judged: rows that were put to it. explained: those of them that refute the declared formula.
        steps: first and last of the explained.
        at_end: whether the row at the end, whose neighbour the log cannot hold, refutes it as well.
        bits: by how much chance is excluded.
    """

    terms: tuple[str, ...]
    rows: int
    judged: int = 0
    explained: int = 0
    steps: tuple[int, int] | None = None
    at_end: bool | None = None
    bits: float = 0.0

    def agrees(self, earlier: Judged, later: Judged, declared: Expr) -> bool:
        """Whether no row of some pairs refutes it; what speaks for it is added up."""
        own, other = (later, earlier) if self.rows < 0 else (earlier, later)
        columns, present = dict(own.block.columns), dict(own.block.present)
        for name in self.terms:
            columns[name], present[name] = other.block.columns[name], other.block.present[name]
        decidable = own.block.decidable & other.block.decidable
        moved = replace(own.block, columns=columns, present=present, decidable=decidable)
        decision = decide(declared, names(declared), moved)
        usable = decision.decided & ~decision.nonfinite
        if (decision.refuted & usable).any():
            return False
        if self.rows > 0 or self.at_end is None:  # the last pair's, or the first pair's
            self.at_end = bool(other.refuted[-1 if self.rows > 0 else 0])
        telling = usable & own.refuted
        if telling.any():
            first, last = own.step[telling][[0, -1]].tolist()
            self.steps = (self.steps[0] if self.steps else first, last)
        with np.errstate(divide="ignore"):
            bits = np.log2(np.abs(own.residual[telling]) / decision.tolerance[telling])
        self.judged += int(np.count_nonzero(usable))
        self.explained += int(np.count_nonzero(telling))
        self.bits += float(np.clip(bits, 0.0, _BITS_A_ROW).sum())
        return True

    def explains(self, refuted: int) -> bool:
        """Whether it explains so many refuted rows, but for those without a neighbour."""
        least = max(LEAST_ROWS, (1 - MOST_ALONE) * refuted - 1)
        return self.explained >= least and self.bits >= LEAST_BITS

    def unexplained(self, refuted: int) -> int:
        """How many of the refuted rows have no neighbour, but for the one at the end."""
        return refuted - self.explained - int(bool(self.at_end))


def find_shifts(trial: Trial, outcome: Outcome, doubt: str = "") -> list[Explanation]:
    """What the total follows on every row that has a neighbour, all terms together first.

    Args:
        trial: the rows.
        outcome: of the declared formula.
        doubt: what else may be so, a clause.
    """
    declared, tags = trial.binding.declared, trial.binding.tags
    terms = [n for n in ordered_names(declared) if n in tags]
    refuted = outcome.declared.refuted_finite
    is_trailing = trial.binding.aggregates["total"].kind == "trailing"
    if not terms or is_trailing or refuted < LEAST_ROWS:
        return []
    together = (*terms, "step", "epoch")  # a schedule goes with the terms
    single = [(n,) for n in terms] if len(terms) > 1 else []
    alive = [Shift(some, rows) for some in (together, *single) for rows in (-1, 1)]
    for earlier, later in neighbours(trial):
        alive = [s for s in alive if s.agrees(earlier, later, declared)]
        if not alive:
            return []
    fitting = [s for s in alive if s.explains(refuted)]
    return [_explanation(s, s.terms == together, s.unexplained(refuted), doubt) for s in fitting]


def _explanation(shift: Shift, is_all: bool, unexplained: int, doubt: str) -> Explanation:
    """What a shift says; rows that refute without a neighbour are wrong whatever it explains."""
    what = "is the formula of the terms" if is_all else f"holds {in_backquotes(shift.terms[0])}"
    where = "before" if shift.rows < 0 else "after"
    said = f"the total {what} of the row {where} on all {shift.judged:,} rows that have one{doubt}"
    if unexplained:
        rows = "row has no neighbour and stays"
        if unexplained > 1:
            rows = "rows have no neighbour and stay"
        said += f"; {unexplained:,} refuting {rows} unexplained"
    facts = {
        "terms": "all" if is_all else shift.terms[0],
        "rows": shift.rows,
        "judged": shift.judged,
        "unexplained": unexplained,
    }
    steps = shift.steps if unexplained else None
    return Explanation(
        "shifted-term", said, "", facts, decisive=not is_all or unexplained > 0, steps=steps
    )
