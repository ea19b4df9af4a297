"""What a log says of the steps that are replayed: totals and terms with their half-widths."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct, field

from lossaudit.closure.examine import LogEvidence
from lossaudit.closure.keys import find_keys
from lossaudit.closure.rows import Join
from lossaudit.model.table import Column
from lossaudit.numerics.find_resolution import find_resolutions

SINGLE = ("step", "last", "rank-local")
"""Aggregates of a column that one forward pass can be compared with."""


class LoggedStep(Struct, frozen=True):
    """One logged total, and what was logged beside it.

    Attributes:
        total, half: the number, and half the width of the interval that it stands for.
        terms, halves: the same of the terms, by the formula's names.
        source: the log.
        likely_half, likely_halves: half-widths as the columns were likely written; the others grant
            every way that fits.
    """

    total: float
    half: float
    terms: Mapping[str, float] = field(default_factory=dict)
    halves: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    likely_half: float | None = None
    likely_halves: Mapping[str, float] = field(default_factory=dict)


class LoggedSteps(Struct, frozen=True):
    """Some steps of a log.

    Attributes:
        steps: every total of a step, in the order of the records.
        obstacle: why the log cannot be compared with single steps; empty where it can.
        dtype: of the sum, as the log's values show it; empty where there is no log.
    """

    steps: Mapping[int, tuple[LoggedStep, ...]] = field(default_factory=dict)
    obstacle: str = ""
    dtype: str = ""


def logged_steps(evidence: LogEvidence, wanted: Collection[int]) -> LoggedSteps:
    """The totals of some steps, each with the terms of its row as far as they are logged.

    Args:
        evidence: a log against a spec; its terms may be missing.
        wanted: steps.
    """
    binding, log = evidence.binding, evidence.log
    if binding.total is None:
        return LoggedSteps(obstacle=evidence.obstacle or "the log has no total")
    kind = binding.aggregates["total"].kind
    if kind not in SINGLE:
        return LoggedSteps(obstacle=f"its total is logged as {binding.aggregates['total']}")
    keys = find_keys(log, evidence.spec.step)
    if not keys.known or not keys.is_global:
        return LoggedSteps(obstacle="it does not count the steps of the run")
    single = {n: t for n, t in binding.tags.items() if binding.aggregates[n].kind in SINGLE}
    tags = [t for t in dict.fromkeys(single.values()) if t != binding.total]
    sought = np.array(sorted(wanted), np.int64)
    found: dict[int, list[LoggedStep]] = {}
    for rows in Join.of(log, binding.total, tags, keys).rows():
        for i in np.flatnonzero(np.isin(rows.step, sought)).tolist():
            terms = {
                n: float(rows.values[t][i])
                for n, t in single.items()
                if t in rows.present and rows.present[t][i] and not rows.ambiguous[i]
            }
            total = float(rows.values[binding.total][i])
            halves = {n: _halves(evidence, binding.tags[n], v) for n, v in terms.items()}
            likely, half = _halves(evidence, binding.total, total)
            step = LoggedStep(
                total,
                half,
                terms,
                {n: h for n, (_, h) in halves.items()},
                log.source,
                likely,
                {n: h for n, (h, _) in halves.items()},
            )
            found.setdefault(int(rows.step[i]), []).append(step)
    steps = {step: tuple(totals) for step, totals in found.items()}
    return LoggedSteps(steps, dtype=binding.dtype)


def _halves(evidence: LogEvidence, tag: str, value: float) -> tuple[float, float]:
    """Half of the interval that the likely way of writing leaves, and half of the widest."""
    binding, at = evidence.binding, np.array([value])
    likely, cautious = (
        float(np.broadcast_to(way.half_width(at, evidence.spec.dtype), (1,))[0])
        for way in (binding.resolutions[tag], binding.cautious[tag])
    )
    return likely, cautious


def written_halves(values: Sequence[float | None], dtype: str) -> Iterator[tuple[float, float]]:
    """The same of numbers that stand in the batches themselves, written in one way.

    Args:
        values: as read, None where a batch has none.
        dtype: of the sum in training.
    """
    known = np.array([v for v in values if v is not None])
    halves = np.zeros((2, len(known)))
    if len(known):
        column = Column("total", known, np.arange(len(known)))
        for reading, way in enumerate(find_resolutions(column)):
            halves[reading] = way.half_width(known, dtype)
    rest = iter(halves.T.tolist())
    for value in values:
        likely, cautious = (0.0, 0.0) if value is None else next(rest)
        yield likely, cautious
