"""The total holds something that is in no term: a constant, or a smooth course of its own.

**What it checks**
Where some row refutes the declared formula, whether the residual total - formula is one constant on
every row, or lies beyond the tolerance on one side of nearly every row and runs smoothly, unrelated
to how the terms move.

**Why it matters**
A penalty on the weights that the framework adds to the loss is in the total and in no logged term,
and the two curves never meet: 2.2328 against 0.307.

**Example**
`loss = task + aux` is declared, and every total is larger by 0.21 to 0.34, ever more slowly: the L2
penalty of the regularised layers.

**How to fix**
Log the penalty as a term and add it to the formula, or take it out of the loss that is logged.

**When it cannot decide**
A residual that moves with a term is another weight, not a hidden term; one that jumps is something
else and stays `formula-mismatch`. Fewer than 20 rows show no course; where fewer than three rows
refute the formula, they are odd rows and show no constant.

**Numerics**
A constant is an interval that every row allows under its own tolerance, as the numbers were likely
written; it does not hold 0, and the formula plus the number that is said is put to every row. A
course is smooth where the squared steps of the residual are below 2 % of those of the formula, and
unrelated where its steps correlate with those of each term by less than 0.3.

**Source**
keras-team/keras issue 7464, tensorflow/tensorflow issue 36006.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, Evidence, explained
from lossaudit.model.finding import Finding, Severity


def _run(evidence: Evidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "hidden-term",
    "something that no logged term explains is in the total",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
