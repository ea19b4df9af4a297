"""What a check is: a plugin that turns evidence into findings."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from math import isfinite
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from lossaudit.closure.diagnosis.explanation import also_fitting, fits_as_well
from lossaudit.model.finding import Finding, Location, Severity

if TYPE_CHECKING:
    from lossaudit.closure.diagnosis.explanation import Explanation
    from lossaudit.closure.examine import LogEvidence
    from lossaudit.closure.outcome import Outcome
    from lossaudit.closure.replay.examine import ReplayEvidence


class Evidence(Protocol):
    """What logs and replays have in common: decided rows, and what explains those that refute."""

    @property
    def outcome(self) -> Outcome | None:
        """Of the fold, or None where nothing could be put to the test."""
        ...

    @property
    def explanations(self) -> tuple[Explanation, ...]:
        """What explains the rows instead of the declared formula; the first counts."""
        ...

    @property
    def not_additive(self) -> str:
        """Why the formula need not hold between these columns, or empty."""
        ...

    def locate(self, record: int) -> Location:
        """Where a row stands."""
        ...


def nothing(_: object) -> Iterator[Finding]:
    """What a check says of a kind of evidence that it does not look at."""
    return iter(())


class Check(Struct, frozen=True):
    """A question that is put to every log, to replayed steps, or to both.

    Attributes:
        name: as findings carry it and `lossaudit explain` knows it.
        summary: one line for `lossaudit checks`.
        severity: of its findings.
        run: evidence of a log -> findings, none where all is well or nothing can be said.
        refutes: True where a finding means that the formula is refuted, so that it cannot be
            ignored away.
        replay: evidence of replays -> findings.
    """

    name: str
    summary: str
    severity: Severity
    run: Callable[[LogEvidence], Iterator[Finding]] = nothing
    refutes: bool = False
    replay: Callable[[ReplayEvidence], Iterator[Finding]] = nothing


def manual(check: Check) -> str:
    """The manual page of a check: its module's docstring."""
    module = importlib.import_module(f"lossaudit.checks.{check.name.replace('-', '_')}")
    return inspect.getdoc(module) or ""


def explained(check: Check, evidence: Evidence) -> Iterator[Finding]:
    """The finding of a check that speaks where its explanation is the first of the diagnosis."""
    outcome = evidence.outcome
    if outcome is None or not evidence.explanations:
        return
    first = evidence.explanations[0]
    if first.check != check.name:
        return
    finite = " finite" if outcome.declared.nonfinite else ""
    refuted = f"{outcome.declared.refuted_finite:,}"
    decided = f"{outcome.declared.decided_finite:,}{finite} decided rows"
    rows = f"; {refuted} of {decided} refute the declared formula"
    if first.formula:
        rows = (
            f": all {decided} follow {first.formula}; {refuted} of them refute the declared formula"
        )
    kept = outcome.violations
    row = next((v for v in kept if isfinite(v.residual)), kept[0])
    yield Finding(
        check.name,
        check.severity,
        f"{first.summary}{rows}{fits_as_well(evidence.explanations)}",
        first.steps or outcome.declared.steps,
        evidence.locate(row.record),
        {
            "formula": first.formula,
            "refuted_rows": outcome.declared.refuted_finite,
            "decided": outcome.declared.decided_finite,
            "also": also_fitting(evidence.explanations),
            **first.facts,
        },
    )
