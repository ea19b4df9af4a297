"""The printed numbers do not add up as they stand, and rounding explains it.

**What it checks**
On how many rows the printed total differs from the formula of the printed terms by more than the
total's own rounding, although the row is consistent: the terms were rounded too.

**Why it matters**
Whoever adds up 1.2 + 0.3 + 0.4 and reads 1.8 suspects a missing term. Most such reports are closed
after a long search with "display rounding".

**Example**
YOLOX prints one decimal: total 1.8, terms 1.2, 0.3 and 0.4. The terms may have been 1.16, 0.28 and
0.36.

**How to fix**
Nothing is wrong. Log more digits if the log is to prove more.

**When it cannot decide**
It speaks only of rows that are consistent; whether the digits prove the formula is the verdict's
business.

**Numerics**
The residual exceeds half a unit in the total's last printed place, and lies within the tolerance,
which adds up the half-widths of all terms.

**Source**
Megvii-BaseDetection/YOLOX issue 909.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity
from lossaudit.model.steps import step_in_words


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome = evidence.outcome
    if outcome is None or outcome.declared.refuted or outcome.first_rounded is None:
        return
    row = outcome.first_rounded
    message = (
        f"on {outcome.rounded:,} of {outcome.declared.decided:,} decided rows the printed numbers "
        f"do not add up as they stand ({step_in_words(row.step)}: {row.total:.7g} against "
        f"{row.recomputed:.7g}); what printing rounded away explains each"
    )
    yield Finding(
        CHECK.name,
        CHECK.severity,
        message,
        location=evidence.locate(row.record),
        evidence={"rows": outcome.rounded, "total": row.total, "recomputed": row.recomputed},
    )


CHECK = Check(
    "display-rounding",
    "printed numbers do not add up as they stand, and rounding explains it",
    Severity.NOTE,
    _run,
)
