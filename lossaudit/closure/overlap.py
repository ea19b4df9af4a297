"""Event files of one folder that were named one by one: which steps do they share?

A run that is resumed goes on in a second event file, from its last checkpoint. Named one by one the
files are witnesses of their own: no total of one meets a term of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from msgspec import Struct

from lossaudit.closure.examine import LogEvidence


class Overlap(Struct, frozen=True):
    """The steps, first and last, that a log shares with an earlier one."""

    log: LogEvidence
    earlier: str
    first: int
    last: int


def overlaps(evidence: Sequence[LogEvidence]) -> Iterator[Overlap]:
    """Every pair of event files of one folder whose totals' steps overlap."""
    for one, other in combinations(evidence, 2):
        if one.outcome is None or other.outcome is None or not _beside(one, other):
            continue
        if one.outcome.steps is None or other.outcome.steps is None:
            continue
        first = max(one.outcome.steps[0], other.outcome.steps[0])
        last = min(one.outcome.steps[1], other.outcome.steps[1])
        if first <= last:
            yield Overlap(other, one.log.source, first, last)


def _beside(one: LogEvidence, other: LogEvidence) -> bool:
    folders = {Path(e.log.source).resolve().parent for e in (one, other)}
    return one.log.has_steps and other.log.has_steps and len(folders) == 1
