"""One term makes up more of the total than the spec allows.

**What it checks**
Whether a weighted term's share of the total, |w t| / sum of |w t|, has a median above the spec's
`balance: {max_share: ...}`. Without that key it says nothing.

**Why it matters**
A weight is chosen so that its term has a comparable influence. A term that is 99 % of the total is
the only one that training minimises, whatever the formula says.

**Example**
MuseTalk weighs the pixel loss with 2.0 because it is usually smaller than the latent loss; preset
`musetalk-v1` allows neither more than 90 %.

**How to fix**
Change the weight, or raise `max_share` if the dominance is meant.

**When it cannot decide**
Only rows on which the formula was decided count. Shares are those of the declared weights, so they
mean little where the formula is refuted.

**Numerics**
The median is read from a histogram and exact to 0.00025.

**Source**
TMElyralab/MuseTalk issue 246: how was the weight of 2 found?
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    limit, outcome = evidence.spec.max_share, evidence.outcome
    if limit is None or outcome is None or outcome.declared.refuted:
        return
    for name, share in outcome.shares.items():
        if share.p50 > limit:
            message = (
                f"`{name}` makes up {share.p50:.1%} of the total at the median, allowed {limit:.0%}"
            )
            yield Finding(
                CHECK.name,
                CHECK.severity,
                message,
                outcome.steps,
                evidence={"term": name, "p50": share.p50, "max_share": limit},
            )


CHECK = Check(
    "dominant-term", "a term's share is above the spec's max_share", Severity.WARNING, _run
)
