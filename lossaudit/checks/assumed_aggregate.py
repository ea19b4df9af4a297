"""A column was taken for an aggregate because of its name alone.

**What it checks**
Whether the total's tag follows a writer's convention, such as the `_epoch` that Lightning appends
to means over an epoch, while neither the spec nor `--aggregate` says what the column is.

**Why it matters**
A mean that was accumulated in float32 drifts by more than one sum does: judged as a single step,
2 % of correct epoch means would be called wrong.

**Example**
`train_loss_epoch` is read as `mean`, its window being the steps since the row before.

**How to fix**
Nothing is wrong. Say what the column is: `--aggregate train_loss_epoch=mean:32`, or `=step`.

**When it cannot decide**
It only reports the assumption.

**Numerics**
A mean over W steps adds W roundings to the bound of each row.

**Source**
Lightning: `on_epoch=True` with `on_step=True` logs `NAME_step` and `NAME_epoch`.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity
from lossaudit.spec.aggregate import aggregate_option


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    for tag, kind in evidence.binding.assumed.items():
        option = aggregate_option(tag, "KIND")
        message = f"`{tag}` is taken for a {kind}, by its name; {option} says otherwise"
        yield Finding(CHECK.name, CHECK.severity, message, evidence={"tag": tag, "aggregate": kind})


CHECK = Check(
    "assumed-aggregate", "a column's aggregate was guessed from its name", Severity.NOTE, _run
)
