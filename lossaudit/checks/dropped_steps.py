"""Steps are missing: from the log's regular spacing, or from some of its columns.

**What it checks**
Whether the totals, logged at a regular distance, leave out steps of that distance; and whether a
term is missing on a few of the rows, or a total on a few of the records, while the others have it.

**Why it matters**
Trackers drop rows that arrive with a lower step than the last one, without an error. What was
dropped was not audited, and curves drawn from it lie.

**Example**
A run that logs every 10 steps has nothing between steps 1,200 and 1,260; `loss_lip` is missing on
12 of 400 rows.

**How to fix**
Log with a step that only rises, in one call a step; look for a second writer of the same run.

**When it cannot decide**
Fewer than 20 totals, or distances that vary, show no regular spacing. A run that logs less often
from some step on is told from gaps only where most distances are the usual one. Steps that go back
(a resumed run) are `duplicate-steps`. Where half of the rows lack a term, `low-coverage` speaks.

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
from lossaudit.closure.outcome import Outcome
from lossaudit.closure.spacing import Spacing
from lossaudit.model.finding import Finding, Severity

LEAST_ROWS = 20
REGULAR = 0.9


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome, spacing = evidence.outcome, evidence.spacing
    if outcome is None or outcome.rows < LEAST_ROWS:
        return
    if spacing is not None and spacing.gap is not None and _is_regular(spacing):
        first, last = spacing.gap
        yield Finding(
            CHECK.name,
            CHECK.severity,
            f"{spacing.missing:,} steps are missing from a log of every {_steps(spacing.usual)}, "
            f"in {spacing.longer:,} {'gap' if spacing.longer == 1 else 'gaps'}; the first lies "
            f"between steps {first:,} and {last:,}",
            (first, last),
            evidence={"missing": spacing.missing, "gaps": spacing.longer, "every": spacing.usual},
        )
    yield from _uneven_columns(outcome)


def _is_regular(spacing: Spacing) -> bool:
    distances = spacing.count - 1 - spacing.back
    return spacing.regular >= REGULAR * distances and spacing.whole_multiples


def _steps(usual: int) -> str:
    return "step" if usual == 1 else f"{usual:,} steps"


def _uneven_columns(outcome: Outcome) -> Iterator[Finding]:
    """Rows that lack a term, and records that lack the total, where few do."""
    decided = outcome.declared.decided
    for reason in ("a term is missing from the row", "a record holds every term and no total"):
        count = outcome.undecided.get(reason, 0)
        if 0 < count < decided:
            yield Finding(
                CHECK.name,
                CHECK.severity,
                f"the columns do not have the same steps: on {count:,} of {outcome.rows:,} rows "
                f"{reason}",
                evidence={"rows": count, "reason": reason},
            )


CHECK = Check(
    "dropped-steps", "steps are missing from the log or from some columns", Severity.WARNING, _run
)
