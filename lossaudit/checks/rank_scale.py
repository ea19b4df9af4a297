"""The total is the formula times, or divided by, the number of ranks.

**What it checks**
Where some row refutes the declared formula, whether one constant factor explains every row and that
factor, or its inverse, is the `training: {ranks: ...}` of the spec.

**Why it matters**
A total that is summed over all ranks grows with the number of GPUs, while its terms, logged on rank
0 or averaged, do not.

**Example**
With `training: {ranks: 4}` every total is four times the formula.

**How to fix**
Average instead of summing (`all_reduce` with AVG, or divide by the world size), for the total and
the terms alike.

**When it cannot decide**
Without the number in the spec a factor is only a factor: see `scaled-log`. A factor that is also
the number of accumulation steps is named after those, and `evidence.also` holds this check. Where
the terms are
those of one rank and the total is a mean over all, rows need not close at all: see
`not-additive-aggregate`.

**Numerics**
The factors that every row allows are intersected; the number must lie in what is left.

**Source**
Lightning-AI/pytorch-lightning issues 4395 and 21838, huggingface/accelerate issue 2109.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, Evidence, explained
from lossaudit.model.finding import Finding, Severity


def _run(evidence: Evidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "rank-scale",
    "the total is multiplied or divided by the number of ranks",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
