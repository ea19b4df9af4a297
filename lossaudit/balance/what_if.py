"""`--what-if TERM=W,W`: other weights of one term."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from msgspec import Struct

from lossaudit.errors import UsageError
from lossaudit.spec.hints import did_you_mean

MOST = 64
"""Weights that one run may ask for."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_FORM = "TERM=W[,W...], for example loss_lip=1.0,2.0,4.0"


class Question(Struct, frozen=True):
    """What if one term had that weight?"""

    term: str
    weight: float

    def __str__(self) -> str:
        return f"{self.term} = {self.weight:g}"


def parse_what_if(texts: Sequence[str]) -> tuple[Question, ...]:
    """One question for each weight of each text, in order, none of them twice.

    Raises:
        UsageError: if a text is not of that form, or asks for too much.
    """
    found: dict[Question, None] = {}
    for text in texts:
        term, equals, weights = text.rpartition("=")
        if not equals or not term.strip():
            raise UsageError(f"--what-if {text!r} has no term", expected=_FORM)
        for weight in weights.split(","):
            found[Question(term.strip(), _number(weight.strip(), text))] = None
    if len(found) > MOST:
        raise UsageError(f"--what-if: {len(found)} weights", expected=f"at most {MOST}")
    return tuple(found)


def place_of(question: Question, names: Sequence[str]) -> int:
    """Which term a question is about; backquotes and spaces around `*` do not matter.

    Raises:
        UsageError: if no term has that name.
    """
    if question.term in names:
        return names.index(question.term)
    plain = [_plain(name) for name in names]
    if plain.count(_plain(question.term)) == 1:
        return plain.index(_plain(question.term))
    raise UsageError(
        f"--what-if: the formula has no term {question.term!r}",
        expected=", ".join(names),
        hint=did_you_mean(question.term, list(names)),
    )


def _plain(name: str) -> str:
    return re.sub(r"\s*\*\s*", "*", name.replace("`", "")).strip()


def _number(text: str, whole: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise UsageError(f"--what-if {whole!r}: {text!r} is no finite number", expected=_FORM)
    return value
