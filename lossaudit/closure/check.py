"""What a check is: a plugin that turns evidence into findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lossaudit.closure.examine import LogEvidence
from lossaudit.model.finding import Finding, Severity


@dataclass(frozen=True, slots=True)
class Check:
    """A question that is put to every log.

    Attributes:
        name: as findings carry it and `lossaudit explain` knows it.
        summary: one line for `lossaudit checks`.
        severity: of its findings.
        run: evidence -> findings, none where all is well or nothing can be said.
        refutes: True where a finding means that the formula is refuted, so that it cannot be
            ignored away.
    """

    name: str
    summary: str
    severity: Severity
    run: Callable[[LogEvidence], Iterator[Finding]]
    refutes: bool = False
