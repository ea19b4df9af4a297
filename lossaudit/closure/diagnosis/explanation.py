"""What a diagnosis concludes: a hypothesis that no row refutes."""

from __future__ import annotations

from collections.abc import Mapping
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
