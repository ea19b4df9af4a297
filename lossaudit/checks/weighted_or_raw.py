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

from lossaudit.closure.check import Check, Evidence, explained
from lossaudit.model.finding import Finding, Severity


def _run(evidence: Evidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "weighted-or-raw",
    "the plain sum of the logged terms fits, the declared weights do not",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
