"""What a diagnosis concludes: a hypothesis that no row refutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field


class Explanation(Struct, frozen=True):
    """A hypothesis that explains every row, where the declared formula does not.

    Attributes:
        check: the name of the check that reports it.
        summary: what the log does, a clause such as "the total is 4 x the formula".
        formula: what the log follows, as text; empty where that is no formula over its terms.
        facts: numbers, JSON-ready.
        decisive: False where the hypothesis excuses the log: then the verdict is INCONCLUSIVE.
        steps: first and last step concerned, or None for all.
    """

    check: str
    summary: str
    formula: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    decisive: bool = True
    steps: tuple[int, int] | None = None


def fits_as_well(explanations: Sequence[Explanation]) -> str:
    """What explains the rows no worse than the first, as a clause to follow it; or nothing.

    Where the first excuses the log, so may another; where it does not, an excuse is none.
    """
    first, *others = explanations
    alike = [e.summary for e in others if e.decisive or not first.decisive]
    return f"; it fits as well that {alike[0]}" if alike else ""


def also_fitting(explanations: Sequence[Explanation]) -> list[dict[str, str]]:
    """All but the first, JSON-ready."""
    return [{"check": e.check, "formula": e.formula} for e in explanations[1:]]
