"""A logged term is not what its definition gives on the step's tensors.

**What it checks**
For every replayed step whose terms were logged too, whether the logged and the recomputed value of
each term agree.

**Why it matters**
A total may close over terms that are not what they are called: the wrong region, a sum for a mean,
a term that was weighted before it was logged.

**Example**
A log whose `loss_lip` is the whole image's, beside a total that was trained on the lower half.

**How to fix**
Correct the definition in the spec (`kind`, `reduction`, `region`), or log what is optimised.

**When it cannot decide**
It is silent where no term is logged, and where the recomputed total refutes the formula already.

**Numerics**
Two values agree where their intervals meet: the logged digits, and what rounding and replaying
leave open.

**Source**
open-mmlab/mmdetection issue 4200: nobody knows whether the logged terms hold their weights already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lossaudit.closure.check import Check
from lossaudit.model.finding import Finding, Location, Severity
from lossaudit.model.steps import step_in_words

if TYPE_CHECKING:
    from lossaudit.closure.replay.examine import ReplayEvidence


def _replay(evidence: ReplayEvidence) -> Iterator[Finding]:
    if evidence.is_refuted:
        return
    for name in dict.fromkeys(n for r in evidence.replays for n in r.terms):
        compared = [r for r in evidence.replays if r.term_agrees(name) is not None]
        off = [r for r in compared if not r.term_agrees(name)]
        if not off:
            continue
        first = off[0]
        yield Finding(
            CHECK.name,
            CHECK.severity,
            f"`{name}` is not what was logged on {len(off):,} of {len(compared):,} replayed steps; "
            f"{step_in_words(first.step)}: logged {first.logged_terms[name]:.7g}, recomputed "
            f"{first.terms[name].value:.7g}",
            (first.step, off[-1].step),
            Location(first.batch),
            {"term": name, "steps": len(off), "compared": len(compared)},
        )


CHECK = Check(
    "logged-term-mismatch",
    "a logged term is not the recomputed one",
    Severity.WARNING,
    replay=_replay,
)
