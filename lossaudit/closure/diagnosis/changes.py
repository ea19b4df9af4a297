"""Do the weights change at a step? Then stretches of rows agree on weights, each on others.

Few odd rows can pass for a stretch of their own, as some weights fit them. A change is one only
where more rows tell it than there are weights to fit them, and where the weights that are said
satisfy every row on their side of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from msgspec import Struct

from lossaudit.closure.diagnosis.explanation import Explanation
from lossaudit.closure.diagnosis.phases import Phase, find_phases, is_near, weighed
from lossaudit.closure.outcome import Outcome
from lossaudit.closure.trial import Trial
from lossaudit.closure.weight_fold import Stretch
from lossaudit.model.table import Bools, Ints
from lossaudit.spec.normal_form import Polynomial, in_backquotes, to_expr
from lossaudit.spec.tree import Comparison, Expr, Name, Number, to_float, walk

COVERED = 0.98
"""Share of the rows that long stretches make up, but for rows that blur a change."""

MOST_CHANGES = 5

TELLING = 2
"""Rows, beyond as many as there are weights, that must tell a change on either side of it."""


class Change(Struct, frozen=True):
    """A weight that is another from some step on.

    Attributes:
        term: whose weight it is.
        before, after: the weights that the two stretches allow, the declared one where it may be.
        last, first: the last step of the former weight, and the first one of the latter.
        apart: whether rows lie between the two, which do not tell or blur the change.
    """

    term: str
    before: float
    after: float
    last: int
    first: int
    apart: bool


def find_changes(trial: Trial, outcome: Outcome) -> list[Change]:
    """Weights that differ between stretches which together make up nearly all rows."""
    weights, rows = outcome.weights, outcome.declared.decided_finite
    telling = len(weights) + TELLING
    long = _long(outcome.stretches, len(weights), rows)
    if not long or outcome.declared.refuted_finite < telling:
        return []
    phases = find_phases(trial, long, np.array(list(weights.values())))
    if min(map(len, phases), default=0) < telling:
        return []
    edges = _edges(trial, phases, telling)
    changes = []
    for (one, two), edge in zip(pairwise(phases), edges, strict=False):
        if not ((one.high < two.low) | (two.high < one.low)).any():
            return []
        for i in np.flatnonzero(one.weights != two.weights).tolist():
            before, after = float(one.weights[i]), float(two.weights[i])
            changes.append(Change(list(weights)[i], before, after, *edge))
    return changes if edges else []


def _long(stretches: Sequence[Stretch], weights: int, rows: int) -> list[Stretch]:
    """Those of enough rows to be a phase of training, if they make up nearly all rows."""
    long = [s for s in stretches if len(s) >= max(2 * weights, 5)]
    # a mean over the change fits neither side, but may agree with a few rows after it
    blurred = (len(long) - 1) * weights
    covered = sum(map(len, long)) + max(blurred, (1 - COVERED) * rows)
    return long if 2 <= len(long) <= MOST_CHANGES + 1 and covered >= rows else []


class _Near(Struct, frozen=True):
    """The rows close to a change: their steps, and those that refute each phase's weights."""

    places: Ints
    steps: Ints
    refuted: Bools


def _edges(trial: Trial, phases: Sequence[Phase], telling: int) -> list[tuple[int, int, bool]]:
    """(last step before, first step after, whether rows lie between) of each change.

    Returns:
        Nothing where some row of a phase refutes its weights, or too few tell it from the next.
    """
    form, near = trial.binding.form, list[_Near]()
    formulas = [_with_weights(form, phase) for phase in phases]
    changes = np.array([p.start for p in phases[1:]])
    told = np.zeros((len(phases), len(phases)), np.int64)  # [rows of, that refute the weights of]
    for block in weighed(trial, formulas):
        if len(block.judged) < len(phases):
            return []
        beyond = np.array([j.decision.refuted | j.excused for j in block.judged])
        certain = np.array([j.decision.refuted for j in block.judged])
        for i, phase in enumerate(phases):
            inside = (phase.start <= block.places) & (block.places < phase.stop)
            if beyond[i, inside & block.usable].any():
                return []
            told[i] += np.count_nonzero(certain[:, inside & block.usable], axis=1)
        chosen = block.usable & is_near(block.places, changes)
        near.append(_Near(block.places[chosen], block.steps[chosen], beyond[:, chosen]))
    if any(min(told[i, i + 1], told[i + 1, i]) < telling for i in range(len(changes))):
        return []
    rows = _Near(
        np.concatenate([n.places for n in near]),
        np.concatenate([n.steps for n in near]),
        np.concatenate([n.refuted for n in near], axis=1),
    )
    found = [_edge(rows, phases, i) for i in range(len(changes))]
    edges = [e for e in found if e is not None]
    return edges if len(edges) == len(found) else []


def _edge(rows: _Near, phases: Sequence[Phase], i: int) -> tuple[int, int, bool] | None:
    """Where the weights of a phase end and those of the next begin; None where they overlap."""
    one, two = phases[i], phases[i + 1]
    start, stop = np.searchsorted(rows.places, [max(one.start, one.stop - 1), two.start + 1])
    former, latter = rows.refuted[i, start:stop], rows.refuted[i + 1, start:stop]
    steps = rows.steps[start:stop]
    fresh = int(np.argmax(former)) if former.any() else len(steps) - 1
    stale = len(steps) - 1 - int(np.argmax(latter[::-1])) if latter.any() else 0
    if stale - fresh + 1 > len(one.weights):  # more rows than a mean over the change may blur
        return None
    last, first = min(stale, fresh - 1), max(fresh, stale + 1)
    if not 0 <= last < first < len(steps):
        return None
    return int(steps[last]), int(steps[first]), first > last + 1


def _with_weights(form: Polynomial, phase: Phase) -> Expr:
    """The formula with the weights of a phase."""
    pairs = zip(form.coefficients, phase.weights.tolist(), strict=True)
    return to_expr(Polynomial(tuple((m, Fraction(repr(w))) for (m, _), w in pairs if w)))


def explain_changes(changes: Sequence[Change], declared: Expr, end: int) -> Explanation:
    """The changes in words, beside those that the formula's schedules declare.

    Args:
        changes: at least one.
        declared: the formula.
        end: the last step seen.
    """
    said = [_in_words(change) for change in changes[:3]]
    planned = scheduled_steps(declared)
    if planned:
        listed = ", ".join(f"{s:,}" for s in planned)
        said.append(f"the declared schedule changes at step {listed}")
    facts = {
        "changes": [
            {
                "term": c.term,
                "before": c.before,
                "after": c.after,
                "last_before": c.last,
                "step": c.first,
            }
            for c in changes
        ],
        "scheduled": planned,
    }
    steps = changes[0].first, end
    return Explanation("weight-changed", "; ".join(said), "", facts, True, steps)


def _in_words(change: Change) -> str:
    before, after = (repr(w).removesuffix(".0") for w in (change.before, change.after))
    doubt = " (the rows between do not tell where it changes)" if change.apart else ""
    return (
        f"{in_backquotes(change.term)} has weight {before} up to step {change.last:,} and {after} "
        f"from step {change.first:,} on{doubt}"
    )


def scheduled_steps(declared: Expr) -> list[int]:
    """The steps with which a formula's conditions compare `step`."""
    found = set()
    for node in walk(declared):
        if isinstance(node, Comparison):
            sides = (node.left, node.right), (node.right, node.left)
            for name, other in sides:
                if name == Name("step") and isinstance(other, Number):
                    found.add(int(to_float(other.value)))
    return sorted(found)
