"""The total is smoothed over a window and the terms are not.

**What it checks**
Where some row refutes the declared formula and nothing else explains it, whether every row follows
the mean of the formula over the last W rows, over all rows since it was begun (an epoch), or an
exponential mean of it. Such a mean may be begun anew now and then, as by a resumed run.

**Why it matters**
A display total that averages the last 20 iterations never equals the sum of the terms beside it,
and training is right. To call that a mismatch is a false alarm; to call it a pass is not earned
either.

**Example**
Caffe prints `loss = 1.83` averaged over `average_loss: 20` iterations beside the terms of the last
one.

**How to fix**
Audit it as it is: `--aggregate loss=trailing:20` compares the total with the trailing mean of the
formula. Better, log the total of the step itself.

**When it cannot decide**
The verdict is INCONCLUSIVE, with the option that would decide. Fewer than 30 rows, windows beyond
2,000 rows, and rows that the log left out inside a window show nothing. Where a mean was begun anew
no option is named, since `trailing:W` knows of no restart.

**Numerics**
The window is sought on up to 4,096 rows; each must agree within what its numbers and their mean
were rounded by. A running mean that is updated from step to step may gather one rounding a step.

**Source**
rbgirshick/py-faster-rcnn issues 70 and 280, BVLC/caffe issue 2371.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, explained
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "window-mismatch",
    "the total is smoothed and the terms are not",
    Severity.WARNING,
    _run,
)
