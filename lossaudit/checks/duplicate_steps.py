"""Steps occur more than once: a resumed run, a restart, or gradient accumulation.

**What it checks**
How many logged totals have a step that occurred before in the same log; and whether event files of
one folder that are named one by one share steps.

**Why it matters**
A resumed run logs the steps since its last checkpoint twice, and MuseTalk 1.0 logs every
micro-batch under one step. The k-th total then belongs to the k-th terms; averaged or overwritten
they would not close.

**Example**
`fixtures/musetalk-tiny/runs/resumed` logs twenty steps twice and passes with this note.

**How to fix**
Nothing is wrong by itself. `log: {duplicates: first}` or `last` keeps one occurrence.
A run in several event files is named by its folder, which joins them.

**When it cannot decide**
Where a step's columns occur a different number of times they cannot be paired, and those rows stay
undecided.

**Numerics**
None.

**Source**
Lightning-AI/pytorch-lightning issue 4304, tensorflow/tensorboard issue 3732.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome = evidence.outcome
    if outcome is None or not outcome.duplicates:
        return
    policy = {
        "all": "each occurrence is a row of its own",
        "first": "the first occurrence counts",
        "last": "the last occurrence counts",
    }[evidence.spec.duplicates]
    message = f"{outcome.duplicates:,} totals repeat an earlier step; {policy}"
    yield Finding(CHECK.name, CHECK.severity, message, evidence={"duplicates": outcome.duplicates})


CHECK = Check(
    "duplicate-steps", "steps occur more than once, and how they were paired", Severity.NOTE, _run
)
