"""Stretches of rows of which each has its own weights, told apart as sharply as the rows allow.

A stretch found from the front runs on over rows that the weights after it fit as well. Its core is
what is left without those; the core alone settles its weights. Rows around the changes are enough
to settle them; what is settled is then put to every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct

from lossaudit.closure.panel import Judged, Panel
from lossaudit.closure.program import WeightRows, box_of, joined
from lossaudit.closure.trial import Trial
from lossaudit.closure.weigh import weigh
from lossaudit.closure.weight_fold import Stretch
from lossaudit.closure.weights import longest_prefix
from lossaudit.model.table import Bools, Floats, Ints
from lossaudit.numerics.simplest import simplest_number
from lossaudit.spec.tree import Expr

NEAR = 8192
"""Rows on either side of a change from which weights are settled."""


class Phase(Struct, frozen=True):
    """The core of a stretch.

    Attributes:
        start, stop: its rows, among those that were weighed.
        low, high: shape (n,), the certified interval of each weight.
        weights: shape (n,), weights in those intervals that satisfy its rows near the changes.
    """

    start: int
    stop: int
    low: Floats
    high: Floats
    weights: Floats

    def __len__(self) -> int:
        return self.stop - self.start


class Weighed(Struct, frozen=True):
    """Rows of a block with what was found of them.

    Attributes:
        places: how many weighed rows came before each, shape (N,).
        steps: of each row, shape (N,).
        usable: rows that were weighed, shape (N,).
        rows: those, as inequalities.
        judged: the formulas that were asked.
    """

    places: Ints
    steps: Ints
    usable: Bools
    rows: WeightRows
    judged: Sequence[Judged]


def weighed(trial: Trial, formulas: Sequence[Expr] = ()) -> Iterator[Weighed]:
    """All rows again, counted as the fold counts those that it weighs."""
    binding = trial.binding
    panel, count = Panel(binding.declared, formulas), 0
    for block_rows, prepared in trial.blocks():
        if not len(block_rows):
            continue
        declared, others = panel.judge(prepared, range(len(formulas)))
        decided = declared.decision.decided & ~declared.decision.nonfinite
        found = weigh(binding.form, prepared.block, decided)
        if found is None:
            continue
        rows, usable = found
        places = count + np.cumsum(usable) - usable
        judged = [j for j in others if j is not None]
        yield Weighed(places, block_rows.step, usable, rows, judged)
        count += len(rows)


def find_phases(trial: Trial, stretches: Sequence[Stretch], declared: Floats) -> list[Phase]:
    """The cores of stretches with their weights; nothing where some core is empty.

    Args:
        trial: the rows.
        stretches: in file order.
        declared: shape (n,), the declared weights, which are kept as far as the rows allow.
    """
    changes = np.array([s.box.start for s in stretches[1:]])
    parts, places = list[WeightRows](), list[Ints]()
    for block in weighed(trial):
        found = block.places[block.usable]
        near = is_near(found, changes)
        parts.append(block.rows.part(near))
        places.append(found[near])
    rows, place = joined(parts), np.concatenate(places)
    starts, stops = ([getattr(s.box, end) for s in stretches] for end in ("start", "stop"))
    held = [_between(rows, place, *ends) for ends in zip(starts, stops, strict=True)]
    for i, (one, two) in enumerate(pairwise(held)):
        doubtful = longest_prefix(one.part(slice(None, None, -1)), two)
        stops[i] -= doubtful
        held[i] = one.part(slice(0, len(one) - doubtful))
    phases, kept = list[Phase](), declared
    for start, stop, core in zip(starts, stops, held, strict=True):
        box = box_of(core) if len(core) else None
        if box is None or not np.isfinite([box.low, box.high]).all():
            return []
        kept = declared if core.are_satisfied_by(declared) else settled(core, kept)
        phases.append(Phase(start, stop, box.low, box.high, kept))
    return phases


def is_near(places: Ints, changes: Ints) -> Bools:
    """Which places are close enough to a change to be looked at one by one."""
    return np.asarray((np.abs(places[:, None] - changes) <= NEAR).any(axis=1))


def _between(rows: WeightRows, places: Ints, start: int, stop: int) -> WeightRows:
    first, last = np.searchsorted(places, [start, stop]).tolist()
    return rows.part(slice(first, last))


def settled(rows: WeightRows, kept: Floats) -> Floats:
    """Weights that satisfy the rows: those that are kept as far as they may be, else the simplest.

    Whatever of its interval one weight is given, the others still have theirs; those whose interval
    excludes what is kept come last, so that no other weight changes in their stead.

    Args:
        rows: which some weights satisfy.
        kept: shape (n,).
    """
    found, left = kept.copy(), list(range(len(kept)))
    while left:
        box = box_of(rows)
        if box is None:
            return found
        may_stay = (box.low <= kept[left]) & (kept[left] <= box.high)
        at = int(np.argmax(may_stay))
        if not may_stay[at]:
            found[left[at]] = simplest_number(float(box.low[at]), float(box.high[at]))
        rows = _given(rows, at, float(found[left.pop(at)]))
    return found


def _given(rows: WeightRows, place: int, weight: float) -> WeightRows:
    """The inequalities in the other weights, where one is known."""
    return WeightRows(
        rows.total - weight * rows.terms[:, place],
        np.delete(rows.terms, place, axis=1),
        rows.slack + abs(weight) * rows.spread[:, place],
        np.delete(rows.spread, place, axis=1),
        np.delete(rows.signs, place),
    )
