"""A term is added twice, or the whole total is twice the formula.

**What it checks**
Where some row refutes the declared formula, whether every decided row follows it with one of its
weights doubled, or with all of them doubled.

**Why it matters**
A term that two places add, or a total that contains itself, trains with a weight that nobody chose.

**Example**
The terms add up to 51.095 and the total says 102.187: the regulariser was added to a sum that
already held it.

**How to fix**
Find the second place that adds the term. Where a total is twice the formula because two ranks or
two micro-batches are summed, say so in the spec (`training: {ranks: 2}`); then `rank-scale` or
`accumulation-scale` says it.

**When it cannot decide**
A log alone cannot tell a total that was added to itself from one that is summed over two ranks;
without `training` in the spec the former is named. A single term's doubling cannot be told from a
weight that is twice the declared one; of a weight of 1/2, from one that is never applied
(`evidence.also` lists `weighted-or-raw` then).

**Numerics**
The other reading is judged under the same derived tolerances as the declared formula, on every row.

**Source**
huggingface/trl issue 4070, ludwig-ai/ludwig issue 2775, jcjohnson/densecap issue 33.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, Evidence, explained
from lossaudit.model.finding import Finding, Severity


def _run(evidence: Evidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "double-counted-term",
    "a term, or the whole total, is counted twice",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
