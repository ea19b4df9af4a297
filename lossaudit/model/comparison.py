"""Two runs beside each other: what `lossaudit diff` finds."""

from __future__ import annotations

from msgspec import Struct

from lossaudit.model.finding import Verdict
from lossaudit.model.result import Weight


class ComparedTerm(Struct, frozen=True):
    """One term in both runs.

    Attributes:
        name: as the specs call it.
        first, second: its weights; None where the run's formula does not have it.
        shares: its mean share of the total in each run, None where unknown.
        verdict: PASS where both weights are declared alike and the certified ones meet, FAIL where
            the certified ones exclude each other, else INCONCLUSIVE.
        says: why, in words.
    """

    name: str
    first: Weight | None
    second: Weight | None
    shares: tuple[float | None, float | None]
    verdict: Verdict
    says: str


class Comparison(Struct, frozen=True):
    """Whether two runs optimise the same loss, and each term's part in the answer."""

    verdict: Verdict
    reason: str
    terms: tuple[ComparedTerm, ...]
