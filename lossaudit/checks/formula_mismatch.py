"""Rows refute the declared formula, and no rival explains them.

**What it checks**
Whether the logged total is the declared formula of the logged terms on every decided row. This
finding is what remains when neither a rival nor a more specific check says what happened.

**Why it matters**
The run optimised, or at least logged, something else than it claims.

**Example**
`step 350: total 0.4127, recomputed 0.4123; residual +4.1e-04 is 3,450 x the 1.2e-07 that rounding
explains`: a single edited row among 400.

**How to fix**
Look at the first violating step: a resumed run with an edited config, a term that is added but not
logged, a term that is logged with its weight already in it. Where no weights fit at all, look at
*when* each number is taken: terms of another step than the total's (`shifted-term` finds those of
the next row), or the mean of the total over steps or micro-batches beside the terms of the last: a
total that moves far less from row to row than the formula, about the same level, is said to. Rows
that leave out steps of such a mean cannot show it. `--formula` tries another reading.

**When it cannot decide**
Rows that lack a term, repeated steps that cannot be paired, and numbers too coarse to tell are
left undecided and counted; they never refute.

**Numerics**
|total - recomputed| is compared with what writing the numbers and adding them in the training
dtype can explain; see docs/tolerances.md.

**Source**
Higham 2002, "Accuracy and Stability of Numerical Algorithms", sections 2.2 and 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lossaudit.closure.binding import Binding
from lossaudit.closure.blocks import ACCUMULATED
from lossaudit.closure.check import Check
from lossaudit.closure.diagnosis.explanation import Explanation, also_fitting, fits_as_well
from lossaudit.closure.examine import LogEvidence
from lossaudit.closure.outcome import Outcome, ViolatingRow
from lossaudit.model.finding import Finding, Severity
from lossaudit.model.steps import step_in_words, steps_in_words
from lossaudit.numerics.formats import FORMATS, gamma
from lossaudit.spec.aggregate import aggregate_option

if TYPE_CHECKING:
    from lossaudit.closure.replay.examine import ReplayEvidence

MEANS_DRIFT = 10.0
"""Excess that undeclared means may reach; more is no rounding."""

LEAST_POINTS = 30
SMOOTHER = 3.0
"""How many times smaller the usual move of a smoothed total is than that of the formula."""

ONE_SIDE = 0.15
"""Share of the rows that must lie on either side of a smoothed total."""

LAGGING = 0.05
"""Share of the total's range by which a trailing mean may lag behind, on average."""


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome = evidence.outcome
    if outcome is None or outcome.declared.refuted <= outcome.declared.nonfinite:
        return
    first = next(iter(evidence.explanations), None)
    if evidence.not_additive or (first is not None and first.check != CHECK.name):
        return
    finite = [v for v in outcome.violations if abs(v.residual) < float("inf")]
    row = finite[0] if finite else outcome.violations[0]
    yield Finding(
        CHECK.name,
        CHECK.severity,
        f"{outcome.declared.refuted:,} of {outcome.declared.decided:,} decided rows refute the "
        f"declared formula; {_in_numbers(row, evidence)}{_hint(outcome, evidence)}"
        f"{_follows(evidence.explanations) or _fit(outcome)}",
        outcome.declared.steps,
        evidence.locate(row.record),
        {
            "refuted_rows": outcome.declared.refuted,
            "decided": outcome.declared.decided,
            "formula": first.formula if first else "",
            "also": also_fitting(evidence.explanations),
        },
    )


def _replay(evidence: ReplayEvidence) -> Iterator[Finding]:
    """The same of recomputed steps."""
    outcome = evidence.outcome
    if outcome is None or not outcome.declared.refuted_finite:
        return
    first = next(iter(evidence.explanations), None)
    if first is not None and first.check != CHECK.name:
        return
    declared = outcome.declared
    row = next(v for v in outcome.violations if abs(v.residual) < float("inf"))
    excess = abs(row.residual) / row.tolerance if row.tolerance else float("inf")
    yield Finding(
        CHECK.name,
        CHECK.severity,
        f"{declared.refuted:,} of {declared.decided:,} replayed steps refute the declared formula; "
        f"{step_in_words(row.step)}: total {row.total:.7g}, recomputed {row.recomputed:.7g}; "
        f"residual {row.residual:+.1e} is {excess:,.0f} x the {row.tolerance:.1e} that rounding "
        f"and replaying leave open{_follows(evidence.explanations)}",
        declared.steps,
        evidence.locate(row.record),
        {
            "refuted_rows": declared.refuted,
            "decided": declared.decided,
            "formula": first.formula if first else "",
            "also": also_fitting(evidence.explanations),
        },
    )


def _follows(explanations: Sequence[Explanation]) -> str:
    """The weights that all rows fit, and what fits them as well."""
    if not explanations:
        return ""
    first = explanations[0]
    also = fits_as_well(explanations)
    return f"; {first.summary}: all rows follow {first.formula}{also}"


def _hint(outcome: Outcome, evidence: LogEvidence) -> str:
    """What would explain violations of this size, where nobody has said that it is not so."""
    binding = evidence.binding
    worst = max(
        abs(v.residual) / v.tolerance if v.tolerance else math.inf for v in outcome.violations
    )
    if worst <= MEANS_DRIFT and not binding.has_aggregate:
        means = f"{aggregate_option(binding.total or '', 'mean:K')} says so, with K as a number"
        return f"; means over K micro-batches may drift so far: {means}"
    common = 2 * outcome.declared.refuted >= outcome.declared.decided
    if common and evidence.spec.dtype == "float32" and _explained_by_bfloat16(outcome, binding):
        return "; means of sums formed in bfloat16 would explain it: --dtype bfloat16 says so"
    if common and _is_smoother(outcome):
        return (
            "; the total moves far less from row to row than the formula, about the same level: it "
            "may be a mean over steps or micro-batches that are not logged, which no row can show"
        )
    return ""


def _is_smoother(outcome: Outcome) -> bool:
    """Whether the total runs through the middle of the formula's values, far more smoothly."""
    total, value = (np.array(outcome.series.get(n, ())) for n in ("total", "recomputed"))
    finite = np.isfinite(total) & np.isfinite(value)
    total, value = total[finite], value[finite]
    if len(total) < LEAST_POINTS:
        return False
    own, formulas = (float(np.median(np.abs(np.diff(v)))) for v in (total, value))
    residual = total - value
    above = float(np.mean(residual > 0))
    by_chance = 3 * float(residual.std()) / math.sqrt(len(total))
    behind = LAGGING * float(np.ptp(total))
    level = abs(float(residual.mean())) <= by_chance + behind
    return level and SMOOTHER * own < formulas and ONE_SIDE < above < 1 - ONE_SIDE


def _explained_by_bfloat16(outcome: Outcome, binding: Binding) -> bool:
    """Whether sums in bfloat16 may have been so far off; a single one would lie on its grid."""
    roundings = len(binding.form.coefficients) + 1
    relative = float(gamma(roundings, FORMATS["bfloat16"].unit_roundoff))
    mean = not binding.has_aggregate or binding.aggregates["total"].kind in ACCUMULATED
    return mean and all(
        abs(v.residual) <= v.tolerance + relative * max(abs(v.total), abs(v.recomputed))
        for v in outcome.violations
    )


def _fit(outcome: Outcome) -> str:
    """Where the rows that some weights fit end, if not all rows do; or that there are none."""
    box = outcome.box
    if box is None:
        if not outcome.weights or outcome.declared.decided_finite <= 2 * len(outcome.weights):
            return ""
        return (
            "; no weights of the declared signs fit: a term may be missing, or of another step or "
            "micro-batch than the total"
        )
    if not box.complete and outcome.stretch:
        first, last = outcome.stretch
        return f"; the longest stretch that some weights fit is {steps_in_words(first, last)}"
    return ""


def _in_numbers(row: ViolatingRow, evidence: LogEvidence) -> str:
    excess = abs(row.residual) / row.tolerance if row.tolerance else float("inf")
    dtype = evidence.binding.dtype
    written = evidence.binding.resolutions[evidence.binding.total or ""].in_words()
    basis = dtype if dtype == written else f"{dtype}, {written}"
    return (
        f"{step_in_words(row.step)}: total {row.total:.7g}, recomputed {row.recomputed:.7g}; "
        f"residual {row.residual:+.1e} is {excess:,.0f} x the {row.tolerance:.1e} that rounding "
        f"explains ({basis})"
    )


CHECK = Check(
    "formula-mismatch",
    "rows refute the declared formula and no rival explains them",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_replay,
)
