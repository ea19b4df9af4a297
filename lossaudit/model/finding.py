"""Verdicts and findings: what an audit concludes, in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field


class Verdict(StrEnum):
    """PASS and FAIL are earned on rows; anything else is INCONCLUSIVE."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class Severity(StrEnum):
    """How much a finding weighs; compare with `rank`."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """2 for an error, 1 for a warning, 0 for a note."""
        return {"error": 2, "warning": 1, "note": 0}[self.value]


class Location(Struct, frozen=True):
    """A place in an audited file: a line from 1, or a byte offset from 0, or a data row from 1."""

    path: str
    line: int | None = None
    offset: int | None = None
    row: int | None = None

    def __str__(self) -> str:
        if self.line is not None:
            return f"{self.path}:{self.line}"
        if self.offset is not None:
            return f"{self.path} at byte {self.offset:,}"
        if self.row is not None:
            return f"{self.path} row {self.row:,}"
        return self.path


class Finding(Struct, frozen=True):
    """One conclusion of one check.

    Attributes:
        check: name of the check or diagnosis, as `lossaudit explain` knows it.
        severity: error, warning or note.
        message: one or two sentences with the numbers in them.
        steps: first and last step concerned, or None.
        location: where in the audited file, or None.
        evidence: further numbers, JSON-ready.
        witness: the witness's source, for sorting and display.
        known: why it is accepted, as the baseline says; empty where it is in none.
    """

    check: str
    severity: Severity
    message: str
    steps: tuple[int, int] | None = None
    location: Location | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    witness: str = ""
    known: str = ""
