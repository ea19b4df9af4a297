"""A term is NaN or infinite while the total is finite, or the reverse.

**What it checks**
On each row, whether the total and the formula with its terms are both finite or both not. A term
counts even where the formula makes a number of it (`exp` of minus infinity), but not in the branch
that a `where` leaves out.

**Why it matters**
A trainer that replaces a NaN step by a running mean in its log hides that the step was lost
(`logging_nan_inf_filter` is on by default in one of them).

**Example**
`loss_latents` is NaN at step 120 and the logged total is 0.41.

**How to fix**
Turn the filter off, and find out which term overflowed.

**When it cannot decide**
A row on which both sides are not finite agrees with many formulas and is left undecided; so is one
whose term is not finite but has a weight of exactly 0, since a guard may have skipped it. An
infinite total is no contradiction where the formula exceeds what the dtype can hold, nor is a
finite one where a logarithm's or a root's argument may, within its rounding, lie in the domain.

**Numerics**
Finite and not finite are compared. Finite terms have no finite value only where the whole interval
of an argument lies outside the domain, or a denominator is exactly 0.

**Source**
huggingface/trl issue 6702, huggingface/transformers issue 13619.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from lossaudit.closure.check import Check, Evidence
from lossaudit.model.finding import Finding, Severity
from lossaudit.model.steps import step_in_words


def _run(evidence: Evidence) -> Iterator[Finding]:
    outcome = evidence.outcome
    if outcome is None or not outcome.declared.nonfinite or evidence.not_additive:
        return
    rows = [v for v in outcome.violations if not math.isfinite(v.residual)]
    count = outcome.declared.nonfinite
    text = f"on {count:,} of {outcome.declared.decided:,} decided rows one side is not finite"
    if not rows:  # other rows were the first to refute
        odd_rows = outcome.nonfinite
        first = step_in_words(odd_rows.first or 0)
        text = f"{text}; NaN or infinite from {first} on: {odd_rows.named}"
        where = evidence.locate(odd_rows.record)
        yield Finding(CHECK.name, CHECK.severity, text, odd_rows.steps, where, {"rows": count})
        return
    row = rows[0]
    odd = {n: v for n, v in row.terms.items() if not math.isfinite(v)}
    terms = ", ".join(f"`{n}` is {v}" for n, v in odd.items()) or "all terms are finite"
    if not odd and not math.isfinite(row.recomputed):
        terms = f"{terms}, the formula is {row.recomputed}"
    yield Finding(
        CHECK.name,
        CHECK.severity,
        f"{text}; {step_in_words(row.step)}: the total is {row.total:.7g}, {terms}",
        (row.step, rows[-1].step),
        evidence.locate(row.record),
        {"rows": count, "total": row.total, "terms": odd},
    )


CHECK = Check(
    "masked-nonfinite",
    "a term is not finite while the total is, or the reverse",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
