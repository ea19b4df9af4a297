"""Part of the log could not be read; what could be was audited.

**What it checks**
Every stretch that a reader had to leave out: a checksum that does not match, a line that is no
record, a file that ends inside one.

**Why it matters**
Other readers drop the rest of a damaged file without a word, and the curves simply end earlier.

**Example**
`events.out.tfevents.1 at byte 4,096: payload checksum does not match; 1 record is left out`.

**How to fix**
Copy the file again, or accept what is left: the verdict speaks of the rows that were read, and the
exit code is 4 so that nobody takes it for the whole run.

**When it cannot decide**
A file cut exactly at the end of a record looks like a shorter run. A last record that is still
being written looks like a cut one, unless the file grew while it was read (`changed-input`).

**Numerics**
None.

**Source**
tensorflow/tensorboard: its event file loader stops at the first damaged record, at debug level.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence, place
from lossaudit.model.finding import Finding, Severity

MOST_NAMED = 20


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    damaged = [damage for damage in evidence.damage if not damage.pending]
    for damage in damaged[:MOST_NAMED]:
        yield Finding(
            CHECK.name,
            CHECK.severity,
            damage.message,
            location=place(damage.source, damage.position, damage.unit),
            evidence={"partial_tail": damage.partial_tail},
        )
    more = len(damaged) - MOST_NAMED
    if more > 0:
        yield Finding(CHECK.name, CHECK.severity, f"and {more:,} more damaged stretches")


CHECK = Check("damaged-input", "part of the log could not be read", Severity.ERROR, _run)
