"""Most logged totals could not be put to the test.

**What it checks**
Whether no more than half of the logged totals were decided, although some were; and whether lines
of text name the total or a term with a number that could not be read (`loss: 1,569.2`,
`kl: 248.9m`, `step 61 loss 2.5 kl 0.5 spike!`).

**Why it matters**
A verdict on 3 rows of 10,000 is a verdict on 3 rows.

**Example**
The terms are logged every 1,000 steps, the total at every step.

**How to fix**
Log the terms whenever the total is logged, or accept the coverage: the numbers are in the report.

**When it cannot decide**
Where nothing was decided the verdict itself is INCONCLUSIVE and says why.

**Numerics**
None.

**Source**
tensorflow/tensorboard issue 4047, wandb/wandb issue 1783: samples of a history taken for all of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence, place, unread_in_words
from lossaudit.model.finding import Finding, Severity


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    for unread in evidence.unread:
        yield Finding(
            CHECK.name,
            CHECK.severity,
            unread_in_words(unread),
            location=place(unread.source, unread.line, "line"),
            evidence={"tag": unread.tag, "lines": unread.count},
        )
    outcome = evidence.outcome
    if outcome is None or not 0 < 2 * outcome.declared.decided <= outcome.rows:
        return
    why = "; ".join(f"{reason} ({count:,} rows)" for reason, count in outcome.undecided.items())
    message = f"only {outcome.declared.decided:,} of {outcome.rows:,} rows could be decided: {why}"
    yield Finding(
        CHECK.name, CHECK.severity, message, evidence={"undecided": dict(outcome.undecided)}
    )


CHECK = Check("low-coverage", "half of the rows or fewer were decided", Severity.WARNING, _run)
