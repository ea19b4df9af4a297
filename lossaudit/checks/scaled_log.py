"""The total is a constant times the formula.

**What it checks**
Where some row refutes the declared formula, whether one constant factor explains every row, and
neither the numbers of ranks and accumulation steps that the spec declares nor ln 2 is that factor.

**Why it matters**
A loss that is divided twice in the log, or logged after a scaler, looks converged and is only
small.

**Example**
Every total is 0.125 times the formula: it was divided by the number of micro-batches when it was
summed, and again when it was logged.

**How to fix**
Find the division. If it belongs to ranks or accumulation, say so: `training:
{accumulation_steps: 8}` in the spec or `--accumulation-steps 8` names it.

**When it cannot decide**
A factor of 2 is named `double-counted-term`. Where fewer than three rows refute the formula, they
are odd rows and show no factor. Where the digits allow many factors, the simplest one
is said, with the interval.

**Numerics**
The factors that every row allows, as the numbers were likely written, are intersected; what is left
is certified, not fitted. It does not hold 1, and the number that is said is put to every row.

**Source**
zsyOAOA/ResShift issue 25.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, Evidence, explained
from lossaudit.model.finding import Finding, Severity


def _run(evidence: Evidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "scaled-log",
    "the total is a constant times the formula",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
