"""The logged terms hold their weights already, or the weights are never applied.

**What it checks**
Where some row refutes the declared formula, whether every decided row follows the plain sum.

**Why it matters**
A log does not say whether a term was logged before or after it was weighted. Weighted twice, the
formula fails on a run that is right; never weighted, a coefficient of the config is dead.

**Example**
YOLOX multiplies its box loss by 5 before it logs it: `5.0*iou_loss + ...` is refuted, the plain sum
holds.

**How to fix**
If the terms are logged weighted, declare the plain sum. If they are raw, the weights never reach
the total: mend the code.

**When it cannot decide**
The log alone cannot tell those two apart. A named rival that fits goes first: see `rival-
formula`.

**Numerics**
The other reading is judged under the same derived tolerances as the declared formula.

**Source**
open-mmlab/mmdetection issue 4200, ccpem/affinity-vae issue 124.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity
from lossaudit.spec.tree import render


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome = evidence.outcome
    fitting = outcome.fitting() if outcome else ()
    if outcome is None or not fitting or not fitting[0].automatic:
        return
    if not fitting[0].name.startswith("all weights 1"):
        return
    rival = fitting[0]
    yield Finding(
        CHECK.name,
        CHECK.severity,
        "the plain sum of the logged terms fits: they hold their weights already, or these are "
        "never applied; "
        f"all {outcome.declared.decided:,} decided rows follow {render(rival.expr)}",
        outcome.declared.steps,
        evidence.locate(outcome.violations[0].record),
        {"formula": render(rival.expr), "also": [r.name for r in fitting[1:]]},
    )


CHECK = Check(
    "weighted-or-raw",
    "the plain sum of the logged terms fits, the declared weights do not",
    Severity.ERROR,
    _run,
    refutes=True,
)
