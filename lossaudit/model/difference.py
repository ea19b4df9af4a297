"""What is not as it was when a stored audit was made again."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """What differs, in the order in which a reader asks for it."""

    INPUT = "input"
    SPEC = "spec"
    VERDICT = "verdict"
    RESULT = "result"
    WITHIN = "within bounds"
    ENVIRONMENT = "environment"


class Difference(Struct, frozen=True):
    """One thing that is not as it was.

    Attributes:
        kind: what it is; WITHIN and ENVIRONMENT do not contradict the stored result.
        where: a file, or a place in the JSON layout.
        was, now: both values as text; empty where there was, or is, none.
    """

    kind: Kind
    where: str
    was: str
    now: str

    @property
    def contradicts(self) -> bool:
        """Whether the stored result no longer holds because of it."""
        return self.kind not in (Kind.WITHIN, Kind.ENVIRONMENT)
