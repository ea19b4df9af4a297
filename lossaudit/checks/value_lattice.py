"""Values lie on a grid coarser than the declared dtype, so tolerances were widened to it.

**What it checks**
Whether all values of a column are float16 or bfloat16 numbers although the declared dtype is finer.

**Why it matters**
A bfloat16 loss near 36 moves in steps of 0.25. Judged as float32, 1 to 2 % of its correct rows
would be called wrong.

**Example**
`fixtures/musetalk-tiny/runs/bf16` passes with this note.

**How to fix**
Nothing is wrong. Declare `dtype: bfloat16` if the sum is meant to be formed so, or form and log the
loss in float32 if a finer audit is wanted.

**When it cannot decide**
A handful of round numbers lies on any grid; a grid is believed only where its values would lie on
it by chance less often than once in a million.

**Numerics**
Each value of the column stands for half a grid step on either side. Where the total can lie on the
grid as well, the unit roundoff of the sum is raised to the grid's (2**-8 for bfloat16, 2**-11 for
float16); a total off the grid was not formed in it.

**Source**
Modalities/modalities issue 464, pytorch/xla issue 2425.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity
from lossaudit.numerics.formats import FORMATS


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    bits = FORMATS[evidence.spec.dtype].significand_bits
    grids = {
        tag: found.grid
        for tag, found in evidence.binding.resolutions.items()
        if not found.constant and FORMATS[found.grid].significand_bits < bits
    }
    if not grids or evidence.outcome is None:
        return
    dtype = evidence.binding.dtype
    named = ", ".join(f"`{t}` ({g})" for t, g in sorted(grids.items()))
    own = "those columns stand for half a step, " if dtype not in grids.values() else ""
    message = (
        f"values lie on a grid coarser than {evidence.spec.dtype}: {named}; "
        f"{own}tolerances are those of {dtype}"
    )
    yield Finding(CHECK.name, CHECK.severity, message, evidence={"grids": grids})


CHECK = Check(
    "value-lattice",
    "values lie on a float16 or bfloat16 grid; tolerances were widened",
    Severity.NOTE,
    _run,
)
