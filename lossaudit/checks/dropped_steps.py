"""Steps are missing: from the log's regular spacing, or from some of its columns.

**What it checks**
Whether the totals, logged at a regular distance, leave out steps of that distance; and whether a
term is missing on a few of the rows, or a total on a few of the records, while the others have it.

**Why it matters**
Trackers drop rows that arrive with a lower step than the last one, without an error. What was
dropped was not audited, and curves drawn from it lie.

**Example**
A run that logs every 10 steps has nothing between steps 1,200 and 1,260; `loss_lip` is missing on
12 of 400 rows, first at step 30.

**How to fix**
Log with a step that only rises, in one call a step; look for a second writer of the same run.

**When it cannot decide**
Fewer than 20 totals, or distances that vary, show no regular spacing. A run that logs less often
from some step on is told from gaps only where most distances are the usual one. Steps that go back
(a resumed run) are `duplicate-steps`. Where half of the rows lack a term, `low-coverage` speaks.
Damage leaves gaps as well: no more gaps, or uneven rows, than `damaged-input` has stretches are its
doing and not reported again.

**Numerics**
The usual distance is the median; nine in ten distances must be that one, and the longer ones whole
multiples of it.

**Source**
wandb/wandb issues 6269 and 9449.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.closure.odd_rows import TOTAL
from lossaudit.closure.rows import NO_TERM, NO_TOTAL
from lossaudit.closure.spacing import Spacing
from lossaudit.model.finding import Finding, Severity
from lossaudit.model.steps import step_in_words

LEAST_ROWS = 20
REGULAR = 0.9


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome, spacing = evidence.outcome, evidence.spacing
    if outcome is None or outcome.rows < LEAST_ROWS:
        return
    damaged = len(evidence.damage)
    if spacing is not None and spacing.longer > damaged and _is_regular(spacing):
        yield from _gaps(spacing)
    lacking, without_total = outcome.lacking, outcome.undecided.get(NO_TOTAL, 0)
    decided = outcome.declared.decided
    if damaged < lacking.count < decided:
        which = f"one of {lacking.named}" if len(lacking.columns) > 1 else lacking.named
        yield Finding(
            CHECK.name,
            CHECK.severity,
            f"the columns do not have the same steps: {which} is missing on "
            f"{lacking.count:,} of {outcome.rows:,} rows, "
            f"first at {step_in_words(lacking.first or 0)}",
            lacking.steps,
            evidence.locate(lacking.record),
            {"rows": lacking.count, "reason": NO_TERM, "columns": list(lacking.columns)},
        )
    if damaged < without_total < decided:
        yield Finding(
            CHECK.name,
            CHECK.severity,
            f"the columns do not have the same steps: on {without_total:,} of {outcome.rows:,} "
            f"rows {NO_TOTAL}",
            evidence={"rows": without_total, "reason": NO_TOTAL, "columns": [TOTAL]},
        )


def _is_regular(spacing: Spacing) -> bool:
    distances = spacing.count - 1 - spacing.back
    return spacing.regular >= REGULAR * distances and spacing.whole_multiples


def _gaps(spacing: Spacing) -> Iterator[Finding]:
    """Distances that are multiples of the usual one."""
    assert spacing.gap is not None
    first, last = spacing.gap
    usual = "step" if spacing.usual == 1 else f"{spacing.usual:,} steps"
    lost = "1 step is" if spacing.missing == 1 else f"{spacing.missing:,} steps are"
    where = "a gap" if spacing.longer == 1 else f"{spacing.longer:,} gaps, the first"
    yield Finding(
        CHECK.name,
        CHECK.severity,
        f"{lost} missing from a log of every {usual}, in {where} between steps {first:,} and "
        f"{last:,}",
        (first, last),
        evidence={"missing": spacing.missing, "gaps": spacing.longer, "every": spacing.usual},
    )


CHECK = Check(
    "dropped-steps", "steps are missing from the log or from some columns", Severity.WARNING, _run
)
