"""The log looks like a sample of the run's history, not all of it.

**What it checks**
Whether the log holds exactly 500, 1,000 or 10,000 totals, at distances that vary, over many more
steps: that is what trackers give who is not asking for everything.

**Why it matters**
A verdict on 1,000 of 29,500 steps is a verdict on 1,000 steps. Tags that were sampled apart hardly
share any.

**Example**
TensorBoard keeps 10,000 scalars a tag, chosen at random; W&B's `history()` returns 500 rows.

**How to fix**
Export the whole history (`scan_history`, `size_guidance={"scalars": 0}`), or audit the event file
itself: `lossaudit` always reads all of it.

**When it cannot decide**
A run that really logged 1,000 totals at varying distances looks the same; this is a note, and
changes no verdict. Evenly spaced totals are taken for what the run logged.

**Numerics**
Distances vary where fewer than nine in ten are the usual one; the steps cover at least one and a
half times as many as there are totals.

**Source**
wandb/wandb issue 1783, tensorflow/tensorboard issue 4047.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity

SAMPLES = (500, 1000, 10_000)
REGULAR = 0.9
SPARSE = 1.5


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    spacing = evidence.spacing
    if spacing is None or spacing.count not in SAMPLES or spacing.back:
        return
    assert spacing.first is not None
    assert spacing.last is not None
    span = spacing.last - spacing.first + 1
    varies = spacing.regular < REGULAR * (spacing.count - 1)
    if not varies or span < SPARSE * spacing.count:
        return
    yield Finding(
        CHECK.name,
        CHECK.severity,
        f"exactly {spacing.count:,} totals at varying distances over {span:,} steps: this looks "
        f"like a sample of the history, {spacing.count / span:.0%} of its steps",
        (spacing.first, spacing.last),
        evidence={"totals": spacing.count, "steps": span},
    )


CHECK = Check(
    "sampled-history", "the log looks like a sample of the run's history", Severity.NOTE, _run
)
