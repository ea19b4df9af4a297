"""Witnesses about which nothing could be said: never a pass, never an error."""

from __future__ import annotations

from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result, Witness


def undecided_witnesses(result: Result) -> list[Witness]:
    """Those whose verdict is INCONCLUSIVE."""
    return [w for w in result.witnesses if w.verdict is Verdict.INCONCLUSIVE]
