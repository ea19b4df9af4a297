"""The total of a row belongs to a term, or to all terms, of the row before or after.

**What it checks**
Where some row refutes the declared formula and no other formula explains it, whether the formula
holds on every row as soon as the column of one term, or those of all terms, are moved by one row.

**Why it matters**
A term that is kept from the step before has a value in the total and no gradient for this step. One
that is logged a row late does no harm to the training, but whoever reads a row reads two steps.

**Example**
`aux` is stored when the model has run, and the total is formed before it runs: every total holds
the `aux` of the row before.

**How to fix**
Compute the term before it is added, or log all numbers of a step in one call.

**When it cannot decide**
Where all terms are moved, the total is the formula of terms that are logged beside another total:
the training may be right, and the verdict is INCONCLUSIVE. The finding is an error all the same, so
the exit code is 1, also with `--allow-inconclusive`: no row of such a log can be read as it stands.
With `--ignore shifted-term` it is 3. The verdict is FAIL where rows that refute have no neighbour:
nothing explains those, and the finding counts them.

Where one term is moved, the rows refute the formula, whether the term was late in the sum or in the
log, which a log cannot tell. A term that falls by the same factor in every row fits another weight
as well: then the weight goes first, and both are said.

Only a row whose neighbour is logged can show it: none after a gap, a restart or a repeated step.
Fewer than 10 such rows that refute the formula, or terms that hardly move from row to row, show
nothing. A term of two rows ago, or of a step between two logged ones, is not sought.

**Numerics**
Every row that has the neighbour must agree within what its numbers were rounded by, and together
they may agree by chance in no more than one case in 2^40: each row counts by its residual under the
declared formula in units of the tolerance. Up to a tenth of the rows that refute may lack the
neighbour, and one more at the end of the log, which cannot have it. What fits every row as well is
listed.

**Source**
AUTOMATIC1111/stable-diffusion-webui issue 3847.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, explained
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "shifted-term",
    "the total belongs to a term, or to all, of the row before or after",
    Severity.ERROR,
    _run,
    refutes=True,
)
