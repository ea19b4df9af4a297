"""A refuted formula -> what explains the log instead, the most specific explanation first.

    named rival > a term missing, doubled, exchanged, weighted already > a hidden term > weights
    that change > a smoothed total > a constant factor > other weights

Each is a hypothesis that is put to every row; none is a fit. Those that fit as well as the first
are listed beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from lossaudit.closure.diagnosis.candidates import (
    Candidate,
    automatic,
    candidates,
    from_certified,
    survivors,
)
from lossaudit.closure.diagnosis.changes import explain_changes, find_changes
from lossaudit.closure.diagnosis.explanation import Explanation
from lossaudit.closure.diagnosis.factor import Factors, Interval
from lossaudit.closure.diagnosis.residuals import ResidualCourse
from lossaudit.closure.diagnosis.trailing import find_decay, find_window
from lossaudit.closure.outcome import Outcome
from lossaudit.closure.trial import Trial
from lossaudit.numerics.simplest import simplest_number
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import render

ORDER = (
    "rival-formula",
    "term-not-in-total",
    "double-counted-term",
    "swapped-weights",
    "weighted-or-raw",
    "hidden-term",
    "weight-changed",
    "window-mismatch",
    "accumulation-scale",
    "rank-scale",
    "unit-change",
    "scaled-log",
    "formula-mismatch",
)

LEAST_ROWS = 3
"""Rows that a hypothesis with a free number must explain."""


def diagnose(spec: Spec, trial: Trial, outcome: Outcome) -> tuple[Explanation, ...]:
    """What explains a log that refutes its formula on some row; nothing where nothing does.

    Args:
        spec: the declaration, which may say how many ranks and accumulation steps there were.
        trial: the rows.
        outcome: of the declared formula and its rivals.
    """
    found = [*_known_formulas(trial, outcome), *_courses(spec, trial, outcome)]
    if not found:
        found = list(_smoothed(trial))
    if not any(e.decisive for e in found):
        found += _other_weights(trial, outcome)
    return tuple(sorted(found, key=_precedence))


def _precedence(explanation: Explanation) -> int:
    """Its place; a total that is counted twice is one of the constant factors."""
    is_factor = "factor" in explanation.facts
    return ORDER.index("accumulation-scale" if is_factor else explanation.check)


def _known_formulas(trial: Trial, outcome: Outcome) -> Iterator[Explanation]:
    """Named rivals, automatic ones, and other things that are often done to a formula."""
    for rival in outcome.fitting():
        if not rival.automatic:
            said = f"the log follows rival `{rival.name}`"
            formula = render(rival.expr)
            yield Explanation("rival-formula", said, formula, {"rival": rival.name})
    known = list(automatic(outcome))
    more = survivors(candidates(trial.binding.form), trial, outcome.declared.decided_finite)
    seen = set[tuple[str, str]]()  # one formula may come from two defects
    for candidate in (*known, *more):
        text = render(candidate.expr)
        if (candidate.check, text) not in seen:
            seen.add((candidate.check, text))
            yield Explanation(candidate.check, candidate.summary, text)


def _courses(spec: Spec, trial: Trial, outcome: Outcome) -> Iterator[Explanation]:
    """What shows in the residuals of all rows: a factor, a constant, a course, a change."""
    factors = Factors.of(trial.binding.declared)
    course = ResidualCourse.of(trial.binding.declared, trial.binding.form)
    for rows, prepared in trial.blocks():
        if len(rows):
            factors.update(prepared)
            course.update(prepared)
    if factors.constant.is_possible and factors.constant.rows >= LEAST_ROWS:
        low, high = factors.constant.low, factors.constant.high
        value = simplest_number(low, high)
        said = f"a constant {value:+g}{_between(low, high)} is in the total and in no term"
        formula = f"{render(trial.binding.declared)} {'-' if value < 0 else '+'} {abs(value):g}"
        yield Explanation("hidden-term", said, formula, {"low": low, "high": high})
    elif course.is_hidden_term and not _all_rows_agree(outcome):
        said = (
            f"something that no term explains is in the total: the residual runs smoothly from "
            f"{course.low:.3g} to {course.high:.3g}"
        )
        yield Explanation("hidden-term", said, "", {"low": course.low, "high": course.high})
    if factors.factor.is_possible and factors.factor.rows >= LEAST_ROWS:
        yield from _factor(spec, trial, factors.factor)
    changes = find_changes(outcome.weights, outcome.stretches, outcome.declared.decided_finite)
    if changes:
        end = outcome.steps[1] if outcome.steps else changes[-1].first
        yield explain_changes(changes, trial.binding.declared, end)


def _all_rows_agree(outcome: Outcome) -> bool:
    return outcome.box is not None and outcome.box.complete


def _factor(spec: Spec, trial: Trial, factor: Interval) -> Iterator[Explanation]:
    """A constant factor, by every name under which a loss is known to be multiplied or divided."""
    value = simplest_number(factor.low, factor.high)
    declared = render(trial.binding.declared)
    facts = {"low": factor.low, "high": factor.high, "factor": value}
    known = list(_known_factors(spec, factor))
    for check, number, said in known:
        yield Explanation(check, said, f"{number:.9g}*({declared})", facts)
    if not known:
        said = f"the total is {value:g} x the formula{_between(factor.low, factor.high)}"
        yield Explanation("scaled-log", said, f"{value:g}*({declared})", facts)


def _known_factors(spec: Spec, factor: Interval) -> Iterator[tuple[str, float, str]]:
    """(check, factor, what it means) of each known factor that the rows allow."""
    counts = (
        ("accumulation-scale", spec.accumulation_steps, "accumulation steps"),
        ("rank-scale", spec.ranks, "ranks"),
    )
    for check, count, what in counts:
        if count is not None and count > 1:
            for number, verb in ((count, "multiplied"), (1 / count, "divided")):
                if factor.holds(number):
                    yield check, number, f"the total is {verb} by {count:g}, the number of {what}"
    for number, name in ((math.log(2), "ln 2"), (1 / math.log(2), "1 / ln 2")):
        if factor.holds(number):
            said = f"the total is {name} x the formula: one of them is in bits, the other in nats"
            yield "unit-change", number, said
    if factor.holds(2.0):
        yield "double-counted-term", 2.0, "the total is twice the formula"


def _between(low: float, high: float) -> str:
    """The ends of an interval, where six digits tell them apart."""
    ends = f"{low:.6g}", f"{high:.6g}"
    return "" if ends[0] == ends[1] else f" ({ends[0]} to {ends[1]})"


def _smoothed(trial: Trial) -> Iterator[Explanation]:
    """A total that is a trailing or an exponential mean of the formula."""
    total = trial.binding.total or ""
    mean = find_window(trial)
    if mean is not None:
        over = f"the last {mean.window:,} rows" if mean.window else "all rows since it was begun"
        times = "once" if mean.restarts == 1 else f"{mean.restarts:,} times"
        again = f", begun anew {times}" if mean.restarts else ""
        facts: dict[str, Any] = {"window": mean.window, "restarts": mean.restarts}
        if mean.window and not mean.restarts:
            facts["aggregate"] = f"{total}=trailing:{mean.window}"
        said = f"the total is the mean of the formula over {over}{again}"
        yield Explanation("window-mismatch", said, "", facts, decisive=False)
        return
    decay = find_decay(trial)
    if decay is not None:
        said = f"the total is an exponential mean of the formula with decay {decay:g}"
        yield Explanation("window-mismatch", said, "", {"decay": decay}, decisive=False)


def _other_weights(trial: Trial, outcome: Outcome) -> list[Explanation]:
    """Weights that all rows allow, whatever they may mean."""
    if outcome.declared.decided_finite <= 2 * len(outcome.weights):
        return []  # some weights fit any few rows
    tried: list[Candidate] = from_certified(trial.binding.form, outcome)
    left = survivors(tried, trial, outcome.declared.decided_finite)
    return [Explanation(c.check, c.summary, render(c.expr)) for c in left]
