"""The log was not at rest: it grew, was replaced, cut or written over while it was read.

**What it checks**
The file's size, time and identity when it was opened, and again after its last byte was read. A
last record without its end is no damage where the file grew meanwhile: its writer is at work.

**Why it matters**
The verdict speaks of what was read. A running training adds rows to it; a file that was rotated or
cut no longer holds it.

**Example**
`grew from 73,728 to 74,112 bytes while it was read; 74,112 bytes were read`.

**How to fix**
Nothing where the training runs: audit again when it is over. Where a file was replaced or cut,
audit the old one too.

**When it cannot decide**
A pipe has no size to compare. A writer that pauses in the middle of a record for as long as the
file is read leaves a cut record: `damaged-input`.

**Numerics**
None.

**Source**
POSIX.1-2024, fstat and stat: st_dev and st_ino identify a file, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence, place
from lossaudit.model.finding import Finding, Location, Severity


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    for change in evidence.changes:
        severity = Severity.NOTE if change.grew else CHECK.severity
        where = Location(change.source)
        yield Finding(CHECK.name, severity, change.message, location=where)
    for tail in evidence.damage:
        if tail.pending:
            where = place(tail.source, tail.position, tail.unit)
            message = f"the last record is still being written: {tail.message}"
            facts = {"pending": True}
            yield Finding(CHECK.name, Severity.NOTE, message, location=where, evidence=facts)


CHECK = Check("changed-input", "the log changed while it was read", Severity.WARNING, _run)
