"""Do the weights change at a step? Then stretches of rows agree on weights, each on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct

from lossaudit.closure.diagnosis.explanation import Explanation
from lossaudit.closure.weight_fold import Stretch
from lossaudit.numerics.simplest import simplest_number
from lossaudit.spec.tree import Comparison, Expr, Name, Number, to_float, walk

COVERED = 0.98
"""Share of the rows that long stretches make up, but for rows that blur a change."""

MOST_CHANGES = 5


class Change(Struct, frozen=True):
    """A weight that is another from some step on.

    Attributes:
        term: whose weight it is.
        before, after: the simplest weights that the two stretches allow.
        last, first: the last step before the change, and the first one after it.
    """

    term: str
    before: float
    after: float
    last: int
    first: int


def find_changes(
    weights: Mapping[str, float], stretches: Sequence[Stretch], rows: int
) -> list[Change]:
    """Weights that differ between stretches which together make up nearly all rows.

    Args:
        weights: the declared ones by term.
        stretches: of rows that some weights satisfy, in file order.
        rows: how many were weighed.
    """
    least = max(2 * len(weights), 5)
    long = [s for s in stretches if len(s) >= least]
    # a mean over the change fits neither side, but may agree with a few rows after it
    blurred = (len(long) - 1) * len(weights)
    covered = sum(map(len, long)) + max(blurred, (1 - COVERED) * rows)
    if not 2 <= len(long) <= MOST_CHANGES + 1 or covered < rows:
        return []
    changes = []
    for one, two in pairwise(long):
        apart = (one.box.high < two.box.low) | (two.box.high < one.box.low)
        for i in np.flatnonzero(apart).tolist():
            before, after = (_weight(s, i, list(weights.values())[i]) for s in (one, two))
            changes.append(Change(list(weights)[i], before, after, one.last, two.first))
        if not apart.any():
            return []
    return changes


def _weight(stretch: Stretch, place: int, declared: float) -> float:
    """The declared weight where the stretch allows it, else the simplest one that it allows."""
    low, high = float(stretch.box.low[place]), float(stretch.box.high[place])
    if low <= declared <= high or not np.isfinite(low + high):
        return declared
    return simplest_number(low, high)


def explain_changes(changes: Sequence[Change], declared: Expr, end: int) -> Explanation:
    """The changes in words, beside those that the formula's schedules declare.

    Args:
        changes: at least one.
        declared: the formula.
        end: the last step seen.
    """
    first = changes[0]
    said = [
        f"`{c.term}` has weight {c.before:g} up to step {c.last:,} and {c.after:g} from step "
        f"{c.first:,} on"
        for c in changes[:3]
    ]
    planned = scheduled_steps(declared)
    if planned:
        listed = ", ".join(f"{s:,}" for s in planned)
        said.append(f"the declared schedule changes at step {listed}")
    facts = {
        "changes": [
            {"term": c.term, "before": c.before, "after": c.after, "step": c.first} for c in changes
        ],
        "scheduled": planned,
    }
    return Explanation("weight-changed", "; ".join(said), "", facts, True, (first.first, end))


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
