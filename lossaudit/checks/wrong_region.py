"""A term is taken on another part of its tensors than the spec declares.

**What it checks**
Where a replayed step refutes the declared formula, each term is computed again on every other
plausible region of its tensors: the whole of it, the lower and the upper half, and the region of
every mask that the batch holds. A region under which every logged total is the declared formula is
what the run used.

**Why it matters**
MuseTalk's figure shows the pixel loss on the whole image, its code cuts both images to the lower
half. A loss on the whole image spends most of its weight on pixels that the model copies.

**Example**
A spec that says `region: whole` for `loss_lip`, against `fixtures/musetalk-tiny/runs/main`: the
stored tensors reproduce the logged totals on the lower half only. The reverse is trained in
`fixtures/defects/replays/whole-image`.

**How to fix**
Declare the region that training uses, or cut prediction and target in training as declared.

**When it cannot decide**
A log alone shows no pixels. Where two regions give one value (a mask that is the lower half), both
are listed in `evidence.also`. A region that no batch names and that is no half is not tried.

**Numerics**
Every region is computed as the declared one is: in training's dtype, in float64, and with the
bound on what rounding may have done.

**Source**
TMElyralab/MuseTalk issue 80, and `train_codes/train.py` on branch `train_codes`.
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
    "wrong-region",
    "a term is taken on other pixels than declared",
    Severity.ERROR,
    refutes=True,
    replay=_replay,
)
