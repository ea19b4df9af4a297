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
    """

    total: float
    half: float
    terms: Mapping[str, float] = field(default_factory=dict)
    halves: Mapping[str, float] = field(default_factory=dict)
    source: str = ""


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
            halves = {n: _half(evidence, binding.tags[n], v) for n, v in terms.items()}
            half = _half(evidence, binding.total, total)
            step = LoggedStep(total, half, terms, halves, log.source)
            found.setdefault(int(rows.step[i]), []).append(step)
    steps = {step: tuple(totals) for step, totals in found.items()}
    return LoggedSteps(steps, dtype=binding.dtype)


def _half(evidence: LogEvidence, tag: str, value: float) -> float:
    """Half of the widest interval that the way of writing leaves."""
    written = evidence.binding.cautious[tag]
    halves = written.half_width(np.array([value]), evidence.spec.dtype)
    return float(np.broadcast_to(halves, (1,))[0])


def written_halves(values: Sequence[float | None], dtype: str) -> Iterator[float]:
    """Half-widths of numbers that stand in the batches themselves, written in one way.

    Args:
        values: as read, None where a batch has none.
        dtype: of the sum in training.
    """
    known = np.array([v for v in values if v is not None])
    halves = np.zeros(len(known))
    if len(known):
        column = Column("total", known, np.arange(len(known)))
        width = find_resolutions(column)[True].half_width(known, dtype)
        halves = np.broadcast_to(np.asarray(width), known.shape)
    rest = iter(halves.tolist())
    for value in values:
        yield 0.0 if value is None else next(rest)
