"""The total is ln 2 times the formula, or the reverse: bits and nats are mixed.

**What it checks**
Where some row refutes the declared formula, whether one constant factor explains every row and that
factor is ln 2 or 1 / ln 2.

**Why it matters**
A logger that prints log base 2 for one number and natural logarithms for the next shows a total
that is 1.44 times its only term.

**Example**
`loss` is 1.4427 times `nll_loss` on every row.

**How to fix**
Log both in one base; say which in the tag.

**When it cannot decide**
ln 2 must lie in the interval of factors that all rows allow; with few digits that interval is wide,
and it is said. Where a number of three digits or fewer lies in it too, such as 0.7, that
`scaled-log` is in `evidence.also`.

**Numerics**
The factors that every row allows are intersected.

**Source**
facebookresearch/fairseq issue 1553.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, Evidence, explained
from lossaudit.model.finding import Finding, Severity


def _run(evidence: Evidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "unit-change",
    "the total is in bits and the terms in nats, or the reverse",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
