"""The columns are aggregates that do not add up, so nothing can be decided from them.

**What it checks**
Whether the formula must hold between the columns as they were aggregated: means and sums over the
same window commute with a linear formula of fixed weights; medians, different windows, products of
logged columns do not.

**Why it matters**
detectron2 logs medians over 20 steps. Their sum misses the median total by up to 6.5 %, although
training is right. A tool that calls this a mismatch cries wolf.

**Example**
Preset `detectron2` on a `metrics.json`: INCONCLUSIVE, never FAIL.

**How to fix**
Log the means (or the values of single steps) of the total and of every term.

**When it cannot decide**
This check is the reason why others cannot. It speaks only where aggregates are declared, by the
spec, by `--aggregate`, or by a writer's naming convention.

**Numerics**
None.

**Source**
facebookresearch/detectron2 issue 5024, facebookresearch/detr issue 333.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome = evidence.outcome
    if not evidence.not_additive or (outcome is not None and not outcome.declared.refuted):
        return
    aggregates = {n: str(a) for n, a in evidence.binding.aggregates.items()}
    message = f"the formula need not hold between these columns: {evidence.not_additive}"
    yield Finding(CHECK.name, CHECK.severity, message, evidence={"aggregates": aggregates})


CHECK = Check(
    "not-additive-aggregate",
    "columns are medians, or cover other steps, and do not add up",
    Severity.NOTE,
    _run,
)
