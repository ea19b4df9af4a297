"""A refuted formula -> what explains the log instead, the most specific explanation first.

    named rival > a term missing, doubled, exchanged, weighted already > a smoothed total > all
    terms of another row > a hidden term > weights that change > a constant factor > other weights >
    one term of another row > how the residual runs

Each is a hypothesis that is put to every row; none is a fit. Those that fit as well as the first
are listed beside it.
"""

from __future__ import annotations

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
from lossaudit.closure.diagnosis.factor import Factors
from lossaudit.closure.diagnosis.one_number import one_number_candidates
from lossaudit.closure.diagnosis.residuals import ResidualCourse
from lossaudit.closure.diagnosis.shifted import find_shifts
from lossaudit.closure.diagnosis.trailing import find_decay, find_window
from lossaudit.closure.outcome import Outcome
from lossaudit.closure.trial import Trial
from lossaudit.spec.formula_text import render
from lossaudit.spec.schema import Spec

ORDER = (
    "rival-formula",
    "term-not-in-total",
    "double-counted-term",
    "swapped-weights",
    "weighted-or-raw",
    "window-mismatch",
    "hidden-term",
    "weight-changed",
    "accumulation-scale",
    "rank-scale",
    "unit-change",
    "scaled-log",
    "formula-mismatch",
    "shifted-term",
)

LEAST_ROWS = 3
"""Rows that refute the formula and that a hypothesis with a free number must explain."""


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
    is_open = all(not e.decisive or _is_course(e) for e in found)
    weights = [] if any(e.decisive for e in found) else _other_weights(trial, outcome)
    if is_open:
        unnamed = _all_rows_agree(outcome) and not weights
        doubt = "; other weights fit every row, too" if unnamed else ""
        found += find_shifts(trial, outcome, doubt)
    found += weights
    return tuple(sorted(found, key=_precedence))


def _is_course(explanation: Explanation) -> bool:
    """Whether it is how a residual runs, which is put to no single row."""
    return explanation.check == "hidden-term" and not explanation.formula


def _precedence(explanation: Explanation) -> int:
    """Its place; a total that is counted twice is one of the constant factors.

    All terms of another row leave the verdict open, as a smoothed total does, whatever fits them.
    """
    if _is_course(explanation):
        return len(ORDER)
    if explanation.check == "shifted-term" and not explanation.decisive:
        return ORDER.index("window-mismatch")
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
            yield _explanation(candidate)


def _explanation(candidate: Candidate) -> Explanation:
    return Explanation(candidate.check, candidate.summary, render(candidate.expr), candidate.facts)


def _courses(spec: Spec, trial: Trial, outcome: Outcome) -> list[Explanation]:
    """What shows in the residuals of all rows: a factor, a constant, a course, a change."""
    factors = Factors.of(trial.binding.declared)
    course = ResidualCourse.of(trial.binding.declared, trial.binding.form)
    for rows, prepared in trial.blocks():
        if len(rows):
            factors.update(prepared)
            course.update(prepared)
    found = list[Explanation]()
    if outcome.declared.refuted_finite >= LEAST_ROWS:
        tried = one_number_candidates(spec, factors)
        found += map(_explanation, survivors(tried, trial, outcome.declared.decided_finite))
    changes = find_changes(trial, outcome)
    if changes:
        end = outcome.steps[1] if outcome.steps else changes[-1].first
        found.append(explain_changes(changes, trial.binding.declared, end))
    if not found and course.is_hidden_term and not _all_rows_agree(outcome):
        said = (
            f"something that no term explains is in the total: the residual runs smoothly from "
            f"{course.low:.3g} to {course.high:.3g}"
        )
        facts = {"low": course.low, "high": course.high}
        found.append(Explanation("hidden-term", said, "", facts))
    return found


def _all_rows_agree(outcome: Outcome) -> bool:
    return outcome.box is not None and outcome.box.complete


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
    return [_explanation(c) for c in left]
