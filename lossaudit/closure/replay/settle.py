"""Recomputed terms -> replays with their totals, and with what was logged of their steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from lossaudit.closure.replay.logged import LoggedStep, LoggedSteps, written_halves
from lossaudit.closure.replay.rows import declared_formula, total_of
from lossaudit.closure.sum_dtype import coarsest_of
from lossaudit.model.replay import Interval, Replay
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import Expr


def settle(spec: Spec, replays: Sequence[Replay], logs: Sequence[LoggedSteps]) -> list[Replay]:
    """Give each replay its logged total, its terms as logged, and the formula's value.

    A log goes before what the batch states: the log is what is audited. Of several logs the one in
    the most digits counts, and of several records of a step the one that the batch states, else the
    last.

    Args:
        spec: what the run is said to follow.
        replays: as the engine gives them, with what their batches state.
        logs: what the logs say of those steps.
    """
    stated = list(_with_written(replays))
    known = list(dict.fromkeys(n for r in replays for n in r.terms))
    formula = declared_formula(spec, known)
    return [_settled(spec, formula, r, logs) for r in stated]


def totals_of(replay: Replay, step: int, logs: Sequence[LoggedSteps]) -> tuple[LoggedStep, ...]:
    """All totals of a step, of the log that belongs to a batch; none where none has the step.

    A folder may hold the logs of several runs: one that has the total which the batch states goes
    before others, then the one that writes it in the most digits. Logs hold the totals of rank 0: a
    batch of another rank has only what it states itself.
    """
    if replay.rank:
        return ()
    own = [log for log in logs if _states(replay, log.steps.get(replay.step, ()))]
    found = [log.steps[step] for log in own or logs if log.steps.get(step)]
    return min(found, key=lambda totals: max(t.half for t in totals), default=())


def _states(replay: Replay, totals: Sequence[LoggedStep]) -> bool:
    """Whether one of these totals may be the one that the batch states."""
    if replay.stated is None:
        return False
    return any(abs(t.total - replay.stated) <= t.half + replay.stated_half for t in totals)


def compare_with(replay: Replay, logged: LoggedStep) -> Replay:
    """The replay beside another logged total."""
    return replace(
        replay,
        total_logged=logged.total,
        total_half=logged.half,
        likely_half=logged.likely_half,
        total_source=logged.source,
        logged_terms={**replay.logged_terms, **_own(replay, logged.terms)},
        logged_halves={**replay.logged_halves, **_own(replay, logged.halves)},
    )


def _own(replay: Replay, numbers: Mapping[str, float]) -> dict[str, float]:
    return {n: v for n, v in numbers.items() if n in replay.terms}


def _with_written(replays: Sequence[Replay]) -> Iterator[Replay]:
    """The replays with the half-widths of the numbers that their batches state."""
    dtype = replays[0].dtype if replays else "float32"
    names = list(dict.fromkeys(n for r in replays for n in r.logged_terms))
    columns = {
        n: list(written_halves([r.logged_terms.get(n) for r in replays], dtype)) for n in names
    }
    totals = written_halves([r.total_logged for r in replays], dtype)
    for i, (replay, (likely, half)) in enumerate(zip(replays, totals, strict=True)):
        written = {n: columns[n][i] for n in replay.logged_terms}
        yield replace(
            replay,
            total_half=half,
            likely_half=likely,
            logged_halves={n: h for n, (_, h) in written.items()},
            likely_given={
                n: _as_written(replay.logged_terms[n], h) for n, (h, _) in written.items()
            },
            total_source=replay.batch,
            stated=replay.total_logged,
            stated_half=half,
        )


def _settled(spec: Spec, formula: Expr, replay: Replay, logs: Sequence[LoggedSteps]) -> Replay:
    dtype = coarsest_of(
        spec.dtype,
        *(d for d in (replay.dtype, *(log.dtype for log in logs)) if d in FORMATS),
    )
    totals = totals_of(replay, replay.step, logs)
    beside, halves, likely = replay.logged_terms, replay.logged_halves, dict(replay.likely_given)
    if totals:
        chosen = chosen_of(totals, replay.stated, replay.stated_half)
        beside, halves = {**beside, **chosen.terms}, {**halves, **chosen.halves}
        likely |= {n: _as_written(chosen.terms[n], h) for n, h in chosen.likely_halves.items()}
        replay = compare_with(replay, chosen)
    own = {*replay.terms, *spec.terms}  # what has a definition is recomputed, or lacking
    given = {n: _as_written(v, halves.get(n, 0.0)) for n, v in beside.items() if n not in own}
    logged = {n: v for n, v in replay.logged_terms.items() if n in replay.terms}
    total = total_of(formula, replay.terms, given, replay.step, dtype)
    return replace(
        replay,
        dtype=dtype,
        given=given,
        likely_given={n: i for n, i in likely.items() if n in given},
        logged_terms=logged,
        total=total,
    )


def chosen_of(totals: Sequence[LoggedStep], stated: float | None, half: float) -> LoggedStep:
    """The record of a step that a batch speaks of: the one with its total, else the last."""
    if stated is not None:
        same = [t for t in totals if abs(t.total - stated) <= t.half + half]
        if same:
            return same[-1]
    return totals[-1]


def _as_written(value: float, half: float) -> Interval:
    return Interval(value, value - half, value + half)
