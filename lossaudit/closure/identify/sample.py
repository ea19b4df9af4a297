"""Rows of a log, as many as a search needs, with every column that may be a term.

A formula that rows of a sample refute is refuted; weights that a sample excludes are excluded. So
the search looks at up to 4,096 rows of the log, spread evenly, and only what it answers is put to
all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossaudit.closure.blocks import Prepared
from lossaudit.closure.decide import Block
from lossaudit.closure.program import WeightRows
from lossaudit.closure.rows import Rows
from lossaudit.closure.trial import Trial
from lossaudit.closure.weigh import LARGEST
from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.formats import FORMATS, gamma

MOST_ROWS = 4096

LEAST_PRESENCE = 0.9
"""Share of the total's rows on which a term is there."""

TRENDS = 3
"""A constant, a straight line and a parabola over the rows: what a log's columns often are."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows on which every column is there and finite.

    Attributes:
        tags: the columns, n of them.
        total, slack: shape (N,), the total, and what of its row's tolerance needs no term.
        values, radii: shape (N, n), the columns and their half-widths.
        extra: shape (N,), roundings that an aggregate adds.
        unit_roundoff: of the sum's dtype, in the widest reading.
        place: shape (N,), where in the log a row stands, from -1 to 1.
        rows: how many rows of the log hold the total.
    """

    tags: tuple[str, ...]
    total: Floats
    slack: Floats
    values: Floats
    radii: Floats
    extra: Floats
    unit_roundoff: float
    place: Floats
    rows: int

    def __len__(self) -> int:
        return len(self.total)

    def inequalities(self, chosen: Sequence[int], trends: int = 0) -> WeightRows:
        """The rows as inequalities in the weights of some columns, and of so many trends."""
        index = list(chosen)
        values, radii = self.values[:, index], self.radii[:, index]
        relative = gamma(len(index) + 1 + self.extra, self.unit_roundoff)
        spread = radii + relative[:, None] * (np.abs(values) + radii)
        courses = self.place[:, None] ** np.arange(trends)
        return WeightRows(
            self.total,
            np.hstack([values, courses]),
            self.slack,
            np.hstack([spread, np.zeros_like(courses)]),
            np.ones(len(index) + trends),
        )

    def of_columns(self, chosen: Sequence[int]) -> Sample:
        """The same rows with some of the columns."""
        index = list(chosen)
        return Sample(
            tuple(self.tags[i] for i in index),
            self.total,
            self.slack,
            self.values[:, index],
            self.radii[:, index],
            self.extra,
            self.unit_roundoff,
            self.place,
            self.rows,
        )


@dataclass(slots=True)
class _Gathered:
    """Some rows of a block, NaN where a column has no value."""

    total: Floats
    slack: Floats
    values: Floats
    radii: Floats
    extra: Floats
    unit_roundoff: float
    at: Floats


def take_sample(trial: Trial, tags: Sequence[str]) -> tuple[Sample, tuple[str, ...]]:
    """A sample of the rows of a trial.

    Args:
        trial: its formula names every tag.
        tags: the columns.

    Returns:
        The sample, and the tags that were left out because too few rows hold them.
    """
    count = max(1, trial.join.log.columns[trial.join.total].count)
    stride, seen, parts = max(1, -(-count // MOST_ROWS)), 0, list[_Gathered]()
    for rows, prepared in trial.blocks():
        chosen = np.arange(-seen % stride, len(rows), stride)
        if len(chosen):
            parts.append(_gather(rows, prepared, tags, chosen, seen))
        seen += len(rows)
    return _assembled(parts, tags, count)


def _gather(
    rows: Rows, prepared: Prepared, tags: Sequence[str], chosen: np.ndarray, first: int
) -> _Gathered:
    """The chosen rows in their widest reading; a row that must not be decided has no total."""
    block = prepared.cautious or prepared.block
    total = np.where(_usable(block)[chosen], block.total[chosen], np.nan)
    half = np.broadcast_to(block.total_half, len(rows))[chosen]
    values, radii = np.empty((2, len(chosen), len(tags)))
    for i, tag in enumerate(tags):
        column = block.columns[tag]
        values[:, i] = np.where(block.present[tag], column.value, np.nan)[chosen]
        radii[:, i] = np.broadcast_to(column.radius, len(rows))[chosen]
    extra = np.broadcast_to(np.asarray(block.arithmetic.extra_roundings, float), len(rows))
    form = FORMATS[block.arithmetic.dtype]
    slack = half + 0.5 * len(tags) * form.smallest_subnormal
    unit = form.unit_roundoff
    return _Gathered(total, slack, values, radii, extra[chosen], unit, chosen + float(first))


def _usable(block: Block) -> Bools:
    with np.errstate(invalid="ignore"):
        return np.asarray(block.decidable & (np.abs(block.total) < LARGEST))


def _assembled(
    parts: Sequence[_Gathered], tags: Sequence[str], count: int
) -> tuple[Sample, tuple[str, ...]]:
    total = np.concatenate([np.zeros(0), *(p.total for p in parts)])
    values = np.concatenate([np.zeros((0, len(tags))), *(p.values for p in parts)])
    radii = np.concatenate([np.zeros((0, len(tags))), *(p.radii for p in parts)])
    with np.errstate(invalid="ignore"):
        good = (np.abs(values) < LARGEST) & (radii < LARGEST)
    there = np.isfinite(total)
    share = good[there].mean(axis=0) if there.any() else np.zeros(len(tags))
    kept = np.flatnonzero(share >= LEAST_PRESENCE).tolist()
    rows = there & good[:, kept].all(axis=1)
    place = np.concatenate([np.zeros(0), *(p.at for p in parts)])[rows]
    sample = Sample(
        tuple(tags[i] for i in kept),
        total[rows],
        np.concatenate([np.zeros(0), *(p.slack for p in parts)])[rows],
        values[rows][:, kept],
        radii[rows][:, kept],
        np.concatenate([np.zeros(0), *(p.extra for p in parts)])[rows],
        max((p.unit_roundoff for p in parts), default=0.0),
        2.0 * place / max(1.0, float(place.max(initial=0.0))) - 1.0,
        count,
    )
    return sample, tuple(t for i, t in enumerate(tags) if i not in set(kept))
