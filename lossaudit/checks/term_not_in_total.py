"""A term is declared and logged, and is not in the logged total.

**What it checks**
Where some row refutes the declared formula, whether every decided row follows it without one of
its terms.

**Why it matters**
An auxiliary loss that is computed, logged and never added trains nothing, and its curve may fall
all the same.

**Example**
`loss_bbox` is logged beside the others, and the total is the sum of the others.

**How to fix**
Add the term to the total in the training code, or take it out of the formula.

**When it cannot decide**
A named rival that fits goes first: see `rival-formula`. A term that is 0 on all rows cannot be
missed: see `surviving-rival`.

**Numerics**
The other reading is judged under the same derived tolerances as the declared formula.

**Source**
jingyaogong/minimind issue 140, amosgropp/IGR issue 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, Evidence, explained
from lossaudit.model.finding import Finding, Severity


def _run(evidence: Evidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "term-not-in-total",
    "a declared term is missing from the logged total",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
