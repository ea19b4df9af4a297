"""A term has one value on every row: it is constant, or zero.

**What it checks**
Whether a weighted term of the formula has the same value on all decided rows, at least ten.

**Why it matters**
A term that never moves trains nothing: a discriminator that is never started, a mask that is always
empty, a loss that was replaced by its last value. And since it never moves, the log cannot tell its
weight.

**Example**
`loss_gan` is 0 on all 400 rows, because `start_gan` lies behind the end of the run.

**How to fix**
Start the term, or take it out of the formula. If it is meant to be off in this run, nothing is
wrong.

**When it cannot decide**
A term that is too small for the printed digits looks like zero. Fewer than ten rows show nothing.

**Numerics**
None: the least and the largest value of the term are compared.

**Source**
TMElyralab/MuseTalk, train.py of version 1.5: `adapted_weight` is logged and never filled; its
feature matching is dead where the GAN's weight is 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity
from lossaudit.spec.normal_form import in_backquotes

LEAST_ROWS = 10


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome = evidence.outcome
    if outcome is None or outcome.declared.decided < LEAST_ROWS:
        return
    for term, value in outcome.constants.items():
        if term != "1":  # a number of the formula itself
            yield Finding(
                CHECK.name,
                CHECK.severity,
                f"{in_backquotes(term)} is {value:g} on all {outcome.declared.decided:,} "
                "decided rows",
                outcome.steps,
                evidence={"term": term, "value": value},
            )


CHECK = Check("dead-term", "a term is constant or zero on every row", Severity.WARNING, _run)
