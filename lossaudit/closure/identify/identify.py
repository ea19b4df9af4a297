"""A log -> the formula that it follows: which column is the total, and what it is the sum of."""

from __future__ import annotations

from msgspec import Struct

from lossaudit.closure.identify.candidate import GIVEN_UP, Candidate
from lossaudit.closure.identify.columns import Question, is_near, totals_of
from lossaudit.closure.identify.one_total import Search, look_at
from lossaudit.closure.identify.runners import listed
from lossaudit.closure.keys import find_keys
from lossaudit.model.log import Log
from lossaudit.spec.formula_text import render_name


class Identified(Struct, frozen=True):
    """What was found in a log.

    Attributes:
        best: the total that was chosen and its formula; None where no column may be the total.
        further: other totals that were looked at.
        reason: why nothing is established; empty where `best` is.
    """

    best: Candidate | None
    further: tuple[Candidate, ...]
    reason: str


def identify(log: Log, question: Question) -> Identified:
    """Search the formula of a log; nothing is raised where there is none."""
    if not log.columns:
        return Identified(None, (), "no number was found in the log")
    totals = totals_of(log, question)
    if not totals:
        return Identified(None, (), _no_total(log, question))
    keys, looked = find_keys(log), list[Candidate]()
    best_rank = totals[0][1]
    for tag, rank in totals:
        found_any = any(c.formula is not None for c in looked)
        if any(tag in c.copies for c in looked) or (found_any and not is_near(rank, best_rank)):
            continue
        looked.append(look_at(Search.of(log, keys, question, len(totals)), tag))
    near = {tag for tag, rank in totals if is_near(rank, best_rank)}
    return _chosen(
        [c for c in looked if c.total in near], [c for c in looked if c.total not in near]
    )


def _no_total(log: Log, question: Question) -> str:
    columns = listed(sorted(log.columns))
    if question.total is not None:
        return f"the log has no column `{question.total}`: it has {columns}"
    return (
        f"no column is called a loss or a total: the log has {columns}; --total TAG names it, "
        "--pattern says how a line of text is read, --columns what the columns of a table without "
        "a header are"
    )


def _chosen(near: list[Candidate], others: list[Candidate]) -> Identified:
    """The one of several totals of equally telling names whose formula is established."""
    established = [c for c in near if c.is_established]
    if len(established) > 1:
        established = _one_relation(established)
    if len(established) == 1:
        best = established[0]
        unknown = next((c for c in near if c.given_up), None)
        reason = (
            f"{best.text} holds, but of {render_name(unknown.total)}: {GIVEN_UP}" if unknown else ""
        )
        return Identified(best, tuple(c for c in (*near, *others) if c is not best), reason)
    if len(established) > 1:
        best, other = established[:2]
        both = f"{best.text} and {other.text} both hold"
        rest = tuple(c for c in (*near, *others) if c is not best)
        return Identified(best, rest, f"{both}; --total says which is meant")
    best = next((c for c in near if c.formula is not None), near[0])
    rest = tuple(c for c in (*near, *others) if c is not best)
    reason = f"{render_name(best.total)}: {best.reason}"
    holding = next((c for c in rest if c.is_established), None)
    if holding is not None:
        reason += f"; {holding.text} does hold (--total names a total)"
    return Identified(best, rest, reason)


def _one_relation(established: list[Candidate]) -> list[Candidate]:
    """Of formulas that say the same, solved for different columns, the one without a minus sign."""
    first = established[0]
    assert first.formula is not None
    same = [c for c in established if c is first or _is_solved_for(c, first)]
    if len(same) < len(established):
        return established
    positive = [c for c in same if c.formula and all(w > 0 for w in c.formula.weights.values())]
    return positive if len(positive) == 1 else established


def _is_solved_for(one: Candidate, other: Candidate) -> bool:
    """Whether two formulas are the same equation in the same columns."""
    assert one.formula is not None
    assert other.formula is not None
    return {one.total, *one.formula.weights} == {other.total, *other.formula.weights}
