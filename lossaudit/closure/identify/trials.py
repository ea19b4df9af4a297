"""Columns as a spec, and the spec on a log's rows: what a search looks at."""

from __future__ import annotations

from collections.abc import Sequence

from lossaudit.closure.binding import bind
from lossaudit.closure.identify.columns import Question
from lossaudit.closure.keys import Keys
from lossaudit.closure.trial import Trial
from lossaudit.model.log import Log
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import Expr, Name, Sum


def spec_of(total: str, formula: Expr, tags: Sequence[str], question: Question) -> Spec:
    """A spec in which every name is a tag."""
    aggregates = dict(question.aggregates)
    return Spec(
        "identified",
        formula,
        "",
        question.dtype,
        (total,),
        {tag: (tag,) for tag in tags},
        aggregates=aggregates,
    )


def sum_of(tags: Sequence[str]) -> Expr:
    """The plain sum of some columns."""
    names = tuple(Name(t) for t in tags)
    return Sum(names) if len(names) > 1 else names[0]


def trial_of(log: Log, keys: Keys, total: str, tags: Sequence[str], question: Question) -> Trial:
    """All columns as terms of one formula, so that every row says what it can."""
    spec = spec_of(total, sum_of(tags), tags, question)
    return Trial.of(spec, log, bind(spec, log), keys)
