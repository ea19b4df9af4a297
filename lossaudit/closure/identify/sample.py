"""Rows of a log, as many as a search needs, with every column that may be a term.

A formula that rows of a sample refute is refuted; weights that a sample excludes are excluded. So
the search looks at up to 4,096 rows of the log, spread evenly, and only what it answers is put to
all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.closure.blocks import Prepared
from lossaudit.closure.decide import Block
from lossaudit.closure.program import WeightRows
from lossaudit.closure.rows import Rows
from lossaudit.closure.solver import Effort
from lossaudit.closure.trial import Trial
from lossaudit.model.table import Bools, Floats, Ints
from lossaudit.numerics.formats import FORMATS, gamma

MOST_ROWS, LEAST_ROWS = 4096, 1024
MOST_NUMBERS = 200_000
"""Numbers of a sample, where so many columns leave more than the least rows."""


LARGEST, SMALLEST = 1e30, 1e-30
"""Rows beyond the first and columns below the second are left out: no loss has such numbers."""

MOST_SUMMED = 40
"""Terms of a formula beyond which it is not sought: how many roundings its sum has."""

MOST_LOST = 0.5
"""Share of a sum that its roundings may cost before its row says nothing."""

LEAST_PRESENCE = 0.9
"""Share of the total's rows on which a term is there."""

TRENDS = 3
"""A constant, a straight line and a parabola over the rows: what a log's columns often are."""


class Sample(Struct, frozen=True):
    """Rows on which every column is there and finite.

    Attributes:
        tags: the columns, n of them.
        total, slack: shape (N,), the total, and what of its row's tolerance needs no term.
        values, radii: shape (N, n), the columns and their half-widths.
        extra: shape (N,), roundings that an aggregate adds.
        unit_roundoff: of the sum's dtype, in the widest reading.
        at: shape (N,), each row's number among the rows with a total.
        rows: how many rows of the log hold the total.
        effort: what a search on these rows may still cost; None: anything.
    """

    tags: tuple[str, ...]
    total: Floats
    slack: Floats
    values: Floats
    radii: Floats
    extra: Floats
    unit_roundoff: float
    at: Floats
    rows: int
    effort: Effort | None = None

    def __len__(self) -> int:
        return len(self.total)

    def inequalities(self, chosen: Sequence[int], trends: int = 0) -> WeightRows:
        """The rows as inequalities in the weights of some columns, and of so many trends."""
        index = list(chosen)
        values, radii = self.values[:, index], self.radii[:, index]
        relative = gamma(min(len(index), MOST_SUMMED) + 1 + self.extra, self.unit_roundoff)
        spread = radii + relative[:, None] * (np.abs(values) + radii)
        place = 2 * self.at / max(1.0, float(self.at.max(initial=0.0))) - 1
        courses = place[:, None] ** np.arange(trends)
        return WeightRows(
            self.total,
            np.hstack([values, courses]),
            self.slack,
            np.hstack([spread, np.zeros_like(courses)]),
            np.ones(len(index) + trends),
            self.effort,
        )

    def part(self, chosen: slice | Ints) -> Sample:
        """Some of the rows."""
        return replace(
            self,
            total=self.total[chosen],
            slack=self.slack[chosen],
            values=self.values[chosen],
            radii=self.radii[chosen],
            extra=self.extra[chosen],
            at=self.at[chosen],
        )

    def in_arithmetic(self, unit_roundoff: float) -> Sample:
        """The rows whose sum still says something with that unit roundoff.

        What an aggregate adds was lost in its own arithmetic, so it stays what it is.
        """
        extra = self.extra * (self.unit_roundoff / unit_roundoff)
        telling = (MOST_SUMMED + 1 + extra) * unit_roundoff < MOST_LOST
        found = replace(self, unit_roundoff=unit_roundoff, extra=extra)
        return found if telling.all() else found.part(np.flatnonzero(telling))

    def with_previous(self) -> Sample:
        """Rows that follow another, with the total before as one more column, the last."""
        after = np.flatnonzero(np.diff(self.at) == 1)
        later = self.part(slice(1, None))
        before = np.column_stack([self.total[:-1], self.slack[:-1]])
        both = replace(
            later,
            tags=(*self.tags, ""),
            values=np.column_stack([later.values, before[:, 0]]),
            radii=np.column_stack([later.radii, before[:, 1]]),
        )
        return both.part(after)


class _Gathered(Struct):
    """Some rows of a block, NaN where a column has no value."""

    total: Floats
    slack: Floats
    values: Floats
    radii: Floats
    extra: Floats
    unit_roundoff: float
    at: Floats


def take_sample(
    trial: Trial, tags: Sequence[str], first: bool = False
) -> tuple[Sample, tuple[str, ...]]:
    """A sample of the rows of a trial.

    Args:
        trial: its formula names every tag.
        tags: the columns.
        first: whether to take the first rows, one after the other, and not all over the log.

    Returns:
        The sample, and the tags that were left out because too few rows hold them.
    """
    count = max(1, trial.join.log.columns[trial.join.total].count)
    most = min(MOST_ROWS, max(LEAST_ROWS, MOST_NUMBERS // len(tags)))
    stride, seen, parts = 1 if first else max(1, -(-count // most)), 0, list[_Gathered]()
    for rows, prepared in trial.blocks():
        chosen = np.arange(-seen % stride, len(rows), stride)
        if len(chosen):
            parts.append(_gather(rows, prepared, tags, chosen, seen))
        seen += len(rows)
        if first and seen >= MOST_ROWS:
            break
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
    largest = np.where(good & there[:, None], np.abs(values), 0.0).max(axis=0, initial=0.0)
    tiny = (largest > 0) & (largest < SMALLEST)
    kept = np.flatnonzero((share >= LEAST_PRESENCE) & ~tiny).tolist()
    rows = there & good[:, kept].all(axis=1)
    unit = max((p.unit_roundoff for p in parts), default=FORMATS["float32"].unit_roundoff)
    sample = Sample(
        tuple(tags[i] for i in kept),
        total[rows],
        np.concatenate([np.zeros(0), *(p.slack for p in parts)])[rows],
        values[rows][:, kept],
        radii[rows][:, kept],
        np.concatenate([np.zeros(0), *(p.extra for p in parts)])[rows],
        unit,
        np.concatenate([np.zeros(0), *(p.at for p in parts)])[rows],
        count,
    )
    return sample.in_arithmetic(unit), tuple(t for i, t in enumerate(tags) if i not in set(kept))
