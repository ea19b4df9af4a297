"""The weights that were loaded are not those with which the step's loss was computed.

**What it checks**
Where a recomputed total differs from the logged one, whether it agrees with another logged step,
whether other weights at hand reproduce the step, and whether the prediction that the batch holds
does: then the formula is right and the weights are other ones. The numbers of checkpoint and step
are compared as well: the loss logged at step N was computed before update N, and checkpoint-N is
written after it, so checkpoint-N reproduces step N+1. A log of several micro-batches a step is
searched for the one that agrees; MuseTalk logs the last one. Last, where no formula explains the
logged totals: whether the batches give the totals that they state themselves.

**Why it matters**
Replayed one step off, a correct run looks wrong by a per cent or two, and a wrong one may look
right.

**Example**
`fixtures/musetalk-tiny/runs/main`: checkpoint-300 on the batch of step 300 gives a total 1.4 %
below the logged one; on the batch of step 301 it gives the logged total.

**How to fix**
Name the checkpoint of the step before: `checkpoint-299` for the batch of step 300.

**When it cannot decide**
The verdict is INCONCLUSIVE: a mismatch that the weights explain says nothing of the formula. Where
the batch holds no prediction and no other step or checkpoint agrees, the checkpoint's number
decides: weights of another step by it refute nothing, unless some formula explains every step.
Where it fits, or where the name has none, the finding is `formula-mismatch`.

**Numerics**
Two totals agree where their intervals meet; a match by chance has the probability of the interval's
width over the run's spread, 1e-7 for float32 logs.

**Source**
TMElyralab/MuseTalk, `train_codes/train.py`: accelerate's `save_state` follows the update.
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
    "misaligned-checkpoint",
    "the weights are not those with which the step was trained",
    Severity.ERROR,
    replay=_replay,
)
