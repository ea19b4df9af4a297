"""The log follows another formula than the declared one: a rival, and it says which.

**What it checks**
Where some row refutes the declared formula, every named rival is put to the same rows. One that
no row refutes is what the log follows instead.

**Why it matters**
MuseTalk's figure puts lambda on the latent loss, its code puts 2.0 on the pixel loss. Whoever
rebuilds the training from the figure trains another model, and every curve still looks fine.

**Example**
`fixtures/musetalk-tiny/runs/figure` is trained with `loss_lip + 2.0*loss_latents`; against preset
`musetalk-v1` it fails with this finding, which names the rival `diagram`.

**How to fix**
Correct the weight in the training code, or declare the formula that training really uses.

**When it cannot decide**
It is silent where no rival fits every decided row (see `formula-mismatch`), or where the declared
formula holds. Where several rivals fit alike, `evidence.also` lists them.

**Numerics**
The rival is refuted by a row under the same derived tolerance as the declared formula.

**Source**
TMElyralab/MuseTalk issues 80 and 246; divelab/DIG issue 238.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check, Evidence, explained
from lossaudit.model.finding import Finding, Severity


def _run(evidence: Evidence) -> Iterator[Finding]:
    return explained(CHECK, evidence)


CHECK = Check(
    "rival-formula",
    "the log follows a named rival of the declared formula",
    Severity.ERROR,
    _run,
    refutes=True,
    replay=_run,
)
