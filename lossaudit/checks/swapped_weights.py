"""Two weights have changed places.

**What it checks**
Where some row refutes the declared formula, whether every decided row follows it with two of its
weights exchanged.

**Why it matters**
The weight that the paper puts on one term acts on another.

**Example**
Declared `loss_lip + 2.0*loss_latents`, logged `2.0*loss_lip + loss_latents`.

**How to fix**
Exchange the weights in the code or in the spec, whichever is wrong.

**When it cannot decide**
A named rival that fits goes first: see `rival-formula`.

**Numerics**
The other reading is judged under the same derived tolerances as the declared formula.

**Source**
divelab/DIG issue 238: the feature loss was multiplied by the other coefficient.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, Evidence, explained
from lossaudit.model.finding import Finding, Severity


def _run(evidence: Evidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "swapped-weights",
    "two weights have changed places",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
