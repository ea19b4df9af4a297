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
`lossaudit balance` shows the course of every share, and which weight would change it. Change the
weight, or raise `max_share` if the dominance is meant.

**When it cannot decide**
Only rows on which the formula was decided count (`lossaudit balance` counts every row that has all
terms). Shares are those of the declared weights, so nothing is said where the formula is refuted.

**Numerics**
The median is read from a histogram and exact to 0.00025.

**Source**
TMElyralab/MuseTalk issue 246: how was the weight of 2 found?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.balance import Share
from lossaudit.model.finding import Finding, Severity
from lossaudit.spec.normal_form import in_backquotes


def dominating(
    shares: Mapping[str, Share], limit: float | None, steps: tuple[int, int] | None
) -> Iterator[Finding]:
    """A finding for each term whose median share is above the limit; `lossaudit balance` asks too.

    Args:
        shares: by term.
        limit: the spec's `max_share`; None allows everything.
        steps: that the shares are taken from.
    """
    for name, share in shares.items():
        if limit is not None and share.p50 > limit:
            yield Finding(
                CHECK.name,
                CHECK.severity,
                f"{in_backquotes(name)} makes up {share.p50:.1%} of the total at the median, "
                f"allowed {100 * limit:.4g}%",
                steps,
                evidence={"term": name, "p50": share.p50, "max_share": limit},
            )


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome = evidence.outcome
    if outcome is not None and not outcome.declared.refuted:
        yield from dominating(outcome.shares, evidence.spec.max_share, outcome.steps)


CHECK = Check(
    "dominant-term", "a term's share is above the spec's max_share", Severity.WARNING, _run
)
