"""Replays -> rows that the closure engine can decide: every number an interval."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.closure.blocks import Prepared
from lossaudit.closure.decide import Block
from lossaudit.closure.rows import Rows
from lossaudit.model.replay import Interval, Recomputed, Replay
from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.bounded import Arithmetic, Bounded
from lossaudit.spec.evaluate import evaluate
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import Expr, expand_families, names, number, substitute

NO_TOTAL = "no total was logged for the step"
"""Why a replay stays undecided."""

DOUBT = "the total or a weight was rounded more coarsely than it likely was when it was written"
"""What would have to be true for a step to close that is refuted as it was likely written."""


class ReplayRows(Struct, frozen=True):
    """Replays as rows, which can be gone through again and again.

    Attributes:
        replays: in the order of the rows.
        names: what the formula and its rivals speak of.
    """

    replays: Sequence[Replay]
    names: frozenset[str]

    def blocks(self) -> Iterator[tuple[Rows, Prepared]]:
        """Consecutive replays with a logged total and with bounds, each block of one dtype."""
        logged = [(i, r) for i, r in enumerate(self.replays) if _can_be_decided(r)]
        for dtype, group in groupby(logged, key=lambda pair: pair[1].dtype):
            records, chosen = zip(*group, strict=True)
            yield _rows(chosen, records), _prepared(chosen, self.names, dtype)


def _can_be_decided(replay: Replay) -> bool:
    return replay.total_logged is not None and replay.is_bounded


def declared_formula(spec: Spec, known: Sequence[str]) -> Expr:
    """The spec's formula with its parameters as numbers, and families over the known terms."""
    from fnmatch import fnmatchcase

    def members(globs: Sequence[str]) -> tuple[str, ...]:
        wanted = [g for g in globs if not g.startswith("!")]
        unwanted = [g[1:] for g in globs if g.startswith("!")]
        return tuple(
            n
            for n in known
            if any(fnmatchcase(n, g) for g in wanted)
            and not any(fnmatchcase(n, g) for g in unwanted)
        )

    bare = expand_families(spec.formula, lambda f: members(f.globs))
    return substitute(bare, {n: number(v) for n, v in spec.parameters.items()})


def total_of(
    declared: Expr, terms: Mapping[str, Recomputed], given: Mapping[str, Interval],
    step: int, dtype: str,
) -> Interval:  # fmt: skip
    """The formula on recomputed terms, with all that training may have made of them.

    Returns:
        `value` is the formula on the terms as training computed them, in float64; NaN where a term
        is missing.
    """
    arithmetic = Arithmetic(dtype)
    if not names(declared) <= {*terms, *given, "step"}:
        return Interval(np.nan, np.nan, np.nan)
    found: dict[str, Recomputed | Interval] = {**given, **terms}
    plain = {n: arithmetic.exactly(np.asarray(t.value)) for n, t in found.items()}
    plain["step"] = arithmetic.exactly(np.asarray(float(step)))
    wide = {n: _bounded([t], arithmetic) for n, t in found.items()}
    wide["step"] = arithmetic.exactly(np.asarray([float(step)]))
    value = float(evaluate(declared, plain, Arithmetic("float64")).value)
    hull = evaluate(declared, wide, arithmetic)
    middle = np.broadcast_to(np.asarray(hull.value, np.float64), (1,))
    with np.errstate(invalid="ignore"):
        reach = np.broadcast_to(arithmetic.tolerance(hull), (1,))
        return Interval(value, float((middle - reach)[0]), float((middle + reach)[0]))


def _rows(replays: Sequence[Replay], records: Sequence[int]) -> Rows:
    count = len(replays)
    step = np.array([r.step for r in replays], np.int64)
    epoch, ambiguous = np.full(count, np.nan), np.zeros(count, bool)
    return Rows(step, epoch, np.array(records, np.int64), {}, {}, ambiguous, known_steps=True)


def _prepared(replays: Sequence[Replay], wanted: Collection[str], dtype: str) -> Prepared:
    cautious = _block(replays, wanted, dtype)
    likely = [_as_likely(r) for r in replays]
    if likely == list(replays):
        return Prepared(cautious, {})
    return Prepared(_block(likely, wanted, dtype), {}, cautious, DOUBT)


def _as_likely(replay: Replay) -> Replay:
    """The replay with its numbers as they were likely written."""
    half = replay.total_half if replay.likely_half is None else replay.likely_half
    return replace(replay, total_half=half, given={**replay.given, **replay.likely_given})


def _block(replays: Sequence[Replay], wanted: Collection[str], dtype: str) -> Block:
    arithmetic = Arithmetic(dtype)
    total = np.array([_number(r.total_logged) for r in replays])
    columns: dict[str, Bounded] = {}
    present: dict[str, Bools] = {}
    for name in sorted(wanted):
        found = [r.terms.get(name, r.given.get(name)) for r in replays]
        columns[name] = _bounded(found, arithmetic)
        present[name] = np.array([f is not None for f in found])
    columns["step"] = arithmetic.exactly(np.array([float(r.step) for r in replays]))
    present["step"] = np.ones(len(replays), bool)
    half = np.array([r.total_half for r in replays])
    return Block(total, half, columns, present, present["step"], arithmetic)


def _bounded(found: Sequence[Recomputed | Interval | None], arithmetic: Arithmetic) -> Bounded:
    """Numbers by the middles of their intervals; one that has no finite interval is undecided."""
    value = np.array([_number(f.value if f else None) for f in found])
    low = np.array([_number(f.low if f else None) for f in found])
    high = np.array([_number(f.high if f else None) for f in found])
    known = np.isfinite(low) & np.isfinite(high)
    with np.errstate(invalid="ignore"):
        middle = np.where(known, low + 0.5 * (high - low), value)
        reach = np.where(known, np.maximum(high - middle, middle - low), np.inf)
    half: Floats = np.where(np.isfinite(value), reach, 0.0)
    return arithmetic.column(np.where(np.isfinite(value), middle, value), half)


def _number(value: float | None) -> float:
    return np.nan if value is None else value
