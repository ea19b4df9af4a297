"""The total is the formula times, or divided by, the number of accumulation steps.

**What it checks**
Where some row refutes the declared formula, whether one constant factor explains every row and that
factor, or its inverse, is the `training: {accumulation_steps: ...}` of the spec.

**Why it matters**
With gradient accumulation the loss is divided by the number of micro-batches before `backward`, and
some trainers log the quotient, or the sum over the micro-batches, as the loss. Curves of runs with
other settings cannot be compared then.

**Example**
With `training: {accumulation_steps: 8}` every total is an eighth of the formula.

**How to fix**
Log the undivided loss, or declare what is logged: `(2.0*loss_lip + loss_latents)/8`.

**When it cannot decide**
Without the number in the spec a factor is only a factor: see `scaled-log`. A factor that is also
the number of ranks is named after the accumulation steps; what else it may be is in
`evidence.also`.

**Numerics**
The factors that every row allows are intersected; the number must lie in what is left.

**Source**
Lightning-AI/pytorch-lightning issue 2569, huggingface/transformers issue 35204,
axolotl-ai-cloud/axolotl issue 2262.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, Evidence, explained
from lossaudit.model.finding import Finding, Severity


def _run(evidence: Evidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "accumulation-scale",
    "the total is multiplied or divided by the accumulation steps",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
