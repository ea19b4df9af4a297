"""A weight of the formula is another from some step on.

**What it checks**
Where some row refutes the declared formula, whether the log falls into stretches, each of which
some weights fit on every row, with weights that differ between them. Steps at which the formula's
own schedules change are named beside the change.

**Why it matters**
A run that is resumed with an edited config trains two losses. Its curve shows a small step, if any.

**Example**
`fixtures/musetalk-tiny/runs/weight-change`: the weight of `loss_lip` is 2 up to step 90 and 1 from
step 91 on.

**How to fix**
If the change is meant, declare it: `where(step < 91, 2.0, 1.0)*loss_lip`. If not, restore the
config and train again from the checkpoint before that step.

**When it cannot decide**
A change inside a window of a mean blurs over that window: it lies between the two steps that are
named, and as many rows as there are weights may be lost to it. Where few digits are shown, rows
near the change may fit the weights on either side: it then lies between the two steps that are
named. Few odd rows are no change, though some weights fit them and the rows that follow: on either
side at least two rows more than there are weights must refute the weights of the other. Stretches
shorter than two rows a weight prove nothing; more than five changes are no schedule.

**Numerics**
Each stretch has its certified weights: the box of all weights that no row of the stretch refutes.
The weights differ where those intervals do not meet. The declared weights are kept as far as the
stretch allows; of the others the simplest are said, and all are put to every row. A change lies
between the last row that refutes the weights after it and the first that refutes those before it.

**Source**
A run resumed with an edited config; CompVis/taming-transformers issue 73 for weights that change by
design.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, explained
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "weight-changed",
    "a weight is another from some step on",
    Severity.ERROR,
    _run,
    refutes=True,
)
