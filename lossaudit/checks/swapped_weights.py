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

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity
from lossaudit.spec.tree import render


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome = evidence.outcome
    fitting = outcome.fitting() if outcome else ()
    if outcome is None or not fitting or not fitting[0].automatic:
        return
    if not fitting[0].name.startswith("exchange "):
        return
    rival = fitting[0]
    yield Finding(
        CHECK.name,
        CHECK.severity,
        f"the weights of {rival.name.removeprefix('exchange ')} have changed places: "
        f"all {outcome.declared.decided:,} decided rows follow {render(rival.expr)}",
        outcome.declared.steps,
        evidence.locate(outcome.violations[0].record),
        {"formula": render(rival.expr), "also": [r.name for r in fitting[1:]]},
    )


CHECK = Check(
    "swapped-weights",
    "two weights have changed places",
    Severity.ERROR,
    _run,
    refutes=True,
)
