"""Which formula a log follows: the answer of `lossaudit identify`."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class FoundWeight(Struct, frozen=True):
    """A weight of the answer.

    Attributes:
        weight: the simplest number that no row refutes.
        low, high: all that no row refutes; infinite where rounding hides it.
        settled: whether `weight` is the only plain number among them.
    """

    weight: float
    low: float
    high: float
    settled: bool


class RunnerUp(Struct, frozen=True):
    """A formula that was not chosen, or may be meant as well; and how it stands to the answer."""

    formula: str
    reason: str


class Identification(Struct, frozen=True):
    """What one log says about its formula.

    Attributes:
        total: tag of the total; empty where none was found.
        formula: "TOTAL = EXPRESSION"; empty where nothing fits.
        weights: by term.
        runners_up: what fits as well, or nearly says the same.
        left_out: columns that were no candidates -> why.
        rows: rows of the log on which the search was done.
    """

    total: str = ""
    formula: str = ""
    weights: Mapping[str, FoundWeight] = field(default_factory=dict)
    runners_up: tuple[RunnerUp, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
