"""The total or a term is NaN or infinite on some rows.

**What it checks**
On how many rows the total, or a term that the formula needs, is there and is no finite number.

**Why it matters**
A step with a NaN loss trains nothing, or ruins the weights. Where both sides are not finite the
formula can be neither confirmed nor refuted, so such rows are gaps in the audit.

**Example**
`loss_latents` and the total are NaN from step 120 on: the run has diverged.

**How to fix**
Find the first row, and the term that overflows there; `masked-nonfinite` tells where a logger hid
it.

**When it cannot decide**
It only counts. A value that was not written at all is no NaN; see `low-coverage` and
`dropped-steps`.

**Numerics**
None.

**Source**
huggingface/trl issue 6702, huggingface/transformers issue 13619.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    outcome = evidence.outcome
    if outcome is None or not outcome.nonfinite.count:
        return
    rows = outcome.nonfinite
    yield Finding(
        CHECK.name,
        CHECK.severity,
        f"NaN or infinite on {rows.count:,} of {outcome.rows:,} rows, first at step "
        f"{rows.first:,}: {rows.named}",
        rows.steps,
        evidence.locate(rows.record),
        {"rows": rows.count, "columns": list(rows.columns)},
    )


CHECK = Check(
    "nonfinite-values",
    "the total or a term is NaN or infinite on some rows",
    Severity.WARNING,
    _run,
)
