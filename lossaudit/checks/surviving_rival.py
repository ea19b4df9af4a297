"""A formula other than the declared one fits every row as well: what the log cannot show.

**What it checks**
Which rivals no row refutes although the declared formula holds: a term that can be dropped, two
weights that can be exchanged.

**Why it matters**
A pass says that the log agrees, not that every term is in the total. A term that was 0 all along
could be missing and nobody would know.

**Example**
YOLOX prints one decimal and `l1_loss` is 0.0 until the last epochs: dropping it fits every row.

**How to fix**
Log more digits, or more of the run. A rival that must be refuted is named in the spec or with
`--rival`; the audit then passes only if some row refutes it.

**When it cannot decide**
It speaks only where the declared formula holds on every decided row.

**Numerics**
Rivals are judged under the same derived tolerances as the declared formula.

**Source**
jingyaogong/minimind issue 140: an auxiliary loss that was logged and never added.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.closure.outcome import Outcome
from lossaudit.model.finding import Finding, Severity
from lossaudit.spec.normal_form import in_backquotes

if TYPE_CHECKING:
    from lossaudit.closure.replay.examine import ReplayEvidence


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    return _survivors(evidence.outcome, evidence.binding.same_rivals, "the log", "row")


def _replay(evidence: ReplayEvidence) -> Iterator[Finding]:
    return _survivors(evidence.outcome, evidence.same_rivals, "the replay", "step")


def _survivors(
    outcome: Outcome | None, same: tuple[str, ...], witness: str, row: str
) -> Iterator[Finding]:
    if outcome is None or outcome.declared.refuted or not outcome.declared.decided:
        return
    for name in same:
        message = f"rival `{name}` is the declared formula in other words, so it was left out"
        yield Finding(CHECK.name, CHECK.severity, message, evidence={"rival": name})
    for rival, tally in outcome.rivals:
        if tally.refuted:
            continue
        if not tally.decided:
            message = f"rival `{rival.name}` could not be evaluated: a term of it is not logged"
        elif rival.automatic and rival.name.startswith("drop "):
            term = in_backquotes(rival.name.removeprefix("drop "))
            message = (
                f"{witness} cannot show that {term} is in the total: dropping it fits every {row}"
            )
        else:
            message = (
                f"{witness} cannot tell the formula from {in_backquotes(rival.name)}, "
                f"which fits every {row}"
            )
        yield Finding(CHECK.name, CHECK.severity, message, evidence={"rival": rival.name})


CHECK = Check(
    "surviving-rival",
    "another formula fits every row as well",
    Severity.NOTE,
    _run,
    replay=_replay,
)
