"""A mean is taken over other groups of samples than the spec declares.

**What it checks**
Where a replayed step refutes the declared formula, the same samples are grouped anew: as 2, 3, ...
micro-batches whose means are averaged, as a mean of each sample's mean, and as one mean over all
elements. A grouping under which every logged total is the declared formula is what the run used.

**Why it matters**
With gradient accumulation over sequences of unequal length, the mean of micro-batch means is not
the mean over tokens: short sequences count for more, and the number of accumulation steps changes
the loss that is trained.

**Example**
`fixtures/defects/replays/mean-of-means`: eight sequences of unequal length in micro-batches of two.

**How to fix**
Divide the sum over all micro-batches by the number of elements of all of them, as transformers does
since 4.46, or declare the reduction that is meant.

**When it cannot decide**
Where every group has as many elements, all groupings give one mean. Groups of unequal numbers of
samples are tried as the trainers cut them: equal ones and a smaller last one.

**Numerics**
The terms of every group are computed as declared; their mean adds one rounding for each group.

**Source**
huggingface/transformers issue 34191.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lossaudit.closure.check import Check, explained
from lossaudit.model.finding import Finding, Severity

if TYPE_CHECKING:
    from lossaudit.closure.replay.examine import ReplayEvidence


def _replay(evidence: ReplayEvidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "wrong-denominator",
    "a mean is taken over other groups of samples than declared",
    Severity.ERROR,
    refutes=True,
    replay=_replay,
)
