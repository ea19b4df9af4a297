"""Aggregate text such as "mean:100" -> `Aggregate`: how a column's numbers come from the steps."""

from __future__ import annotations

import re
import shlex

from msgspec import Struct

from lossaudit.errors import UsageError

_GRAMMAR = re.compile(
    r"(?P<kind>step|last|rank-local)"
    r"|(?P<window>mean|sum|rank-mean)(?::(?P<count>[1-9][0-9]{0,8}|float64))?"
    r"|(?P<trailing>trailing):(?P<rows>[1-9][0-9]{0,3})"
    r"|(?P<median>median)(?::[1-9][0-9]{0,8})?"
    r"|(?P<ema>ema):(?P<decay>0?\.(?=0*[1-9])[0-9]{1,12})"
)


class Aggregate(Struct, frozen=True):
    """How a column's numbers come from the steps.

    Attributes:
        kind: step, last, mean, sum, median, ema, trailing, rank-local or rank-mean.
        count: W, K or the number of ranks; None where it was not said.
        decay: of an exponential average.
        wide: True where the writer accumulates in float64, so that accumulation costs nothing.
    """

    kind: str = "step"
    count: int | None = None
    decay: float | None = None
    wide: bool = False

    def __str__(self) -> str:
        if self.kind == "ema":
            return f"ema:{self.decay}"
        return f"{self.kind}:{self.count}" if self.count else self.kind


def parse_aggregate(text: str) -> Aggregate:
    """Parse "mean:100" and the like.

    Raises:
        UsageError: if the text is no aggregate.
    """
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text!r} is no aggregate",
            expected="step, last, mean, mean:W, mean:float64, sum:K, median:W, ema:A, rank-local "
            "or rank-mean:N",
        )
    if match["ema"]:
        return Aggregate("ema", decay=float(match["decay"]))
    if match["trailing"]:
        return Aggregate("trailing", int(match["rows"]))
    wide = match["count"] == "float64"
    count = int(match["count"]) if match["count"] and not wide else None
    return Aggregate(match["kind"] or match["window"] or match["median"], count, wide=wide)


def aggregate_option(tag: str, kind: str) -> str:
    """What a user types to say that a column is of a kind, quoted for a shell."""
    return f"--aggregate {shlex.quote(f'{tag}={kind}')}"
