"""Why replayed steps do not give the logged totals: what else they may be, computed and compared.

Only replays that refute the formula are looked at again, and only hypotheses that explain every one
of them are handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit.closure.replay.examine import ReplayEvidence
from lossaudit.closure.replay.logged import LoggedSteps
from lossaudit.closure.replay.neighbours import find_neighbour
from lossaudit.closure.replay.rows import total_of
from lossaudit.closure.replay.settle import settle
from lossaudit.errors import InputError, UsageError
from lossaudit.model.replay import Hypothesis, Recomputed, Replay, may_be
from lossaudit.model.steps import NO_STEP
from lossaudit.witnesses.replay.engine import Replayer
from lossaudit.witnesses.replay.other_terms import Way, other_terms
from lossaudit.witnesses.replay.other_weights import find_alignment
from lossaudit.witnesses.replay.ranks import Ranks
from lossaudit.witnesses.replay.request import Pair
from lossaudit.witnesses.replay.step_names import step_of
from lossaudit.witnesses.replay.term_dtype import with_dtypes

ALIGNMENT = "misaligned-checkpoint"


class Again(Struct, frozen=True):
    """One replay in every other way.

    Attributes:
        ways: its terms in each way, which belongs to the formula.
        aligned: what agrees in its place, with what that means; None where nothing does.
    """

    ways: Mapping[Way, Mapping[str, Recomputed]] = field(default_factory=dict)
    aligned: tuple[Replay, str, Mapping[str, Any]] | None = None


def hypotheses(
    evidence: ReplayEvidence,
    replayer: Replayer,
    logs: Sequence[LoggedSteps],
    ranks: Ranks,
    progress: Callable[[str], None],
) -> list[Hypothesis]:
    """What the replays may be instead, each for all of them.

    Args:
        evidence: refuted.
        replayer: that made the replays.
        logs: what the logs say of these steps and those beside them.
        ranks: share the work.
        progress: told what is worked on.
    """
    rows = list(evidence.replays)
    first = next((r for r in rows if r.agrees is False), None)
    if first is None:  # NaN refutes without a number that could agree elsewhere
        return []
    promising = ranks.spread([first], lambda _, r: _promising(evidence, replayer, r))[0]

    def again(place: int, replay: Replay) -> Again:
        progress(f"looking for what explains step {replay.step:,} ({place + 1} of {len(rows)})")
        ways = _ways(replayer, replay) if promising else {}
        kept = {way: terms for way, terms in ways.items() if way in promising}
        return Again(kept, _alignment(evidence, replayer, logs, replay))

    tried = ranks.spread(rows, again)
    found = [_in_one_way(evidence, way, tried) for way in _shared(tried)]
    alignment = _aligned(rows, tried)
    return found + ([alignment] if alignment is not None else [])


def _promising(evidence: ReplayEvidence, replayer: Replayer, replay: Replay) -> set[Way]:
    """The ways in which one refuted replay would give its logged total."""
    ways = _ways(replayer, replay)
    changed = {way: _retotalled(evidence, replay, terms) for way, terms in ways.items()}
    return {way for way, other in changed.items() if other.agrees}


def _ways(replayer: Replayer, replay: Replay) -> dict[Way, dict[str, Recomputed]]:
    try:
        step = replayer.open(Pair(replay.checkpoint, replay.batch), replay.depth)
        declared = replayer.definitions()
        computed = replayer.compute(step, declared)
        dtype = replayer.dtype_of(step.batch)
        if step.models is None:
            declared, _ = with_dtypes(declared, step.batch, dtype)
        return other_terms(declared, computed, dtype)
    except (InputError, UsageError):  # it could be read before; it is not what it was
        return {}


def _alignment(
    evidence: ReplayEvidence, replayer: Replayer, logs: Sequence[LoggedSteps], replay: Replay
) -> tuple[Replay, str, Mapping[str, Any]] | None:
    """What agrees in place of a refuted replay, and what that means."""
    if replay.agrees is not False:
        return None
    neighbour = find_neighbour(replay, logs)
    if neighbour is not None:
        facts = {"step": replay.step, "reproduces_step": neighbour.step}
        return neighbour.replay, neighbour.summary, facts
    aligned = find_alignment(
        replayer, replay, replayer.request.others, lambda r: settle(evidence.spec, [r], logs)[0]
    )
    if aligned is not None:
        return aligned.replay, aligned.summary, aligned.facts
    return _as_stated(replay) or _by_number(replay)


def _as_stated(replay: Replay) -> tuple[Replay, str, Mapping[str, Any]] | None:
    """The replay beside the total that its batch states, where that is another than the log's."""
    stated, half = replay.stated, replay.stated_half
    if stated is None or replay.total_logged is None or not may_be(stated, half, replay.total):
        return None
    said = (
        f"the batch of step {replay.step:,} states the total {stated:.7g}, which it gives, and the "
        f"log has {replay.total_logged:.7g}: another micro-batch of that step, another run, or "
        "something else than was optimised"
    )
    own = replace(replay, total_logged=stated, total_half=half, likely_half=None)
    own = replace(own, total_source=replay.batch)
    return own, said, {"step": replay.step, "stated": True}


def _by_number(replay: Replay) -> tuple[Replay, str, Mapping[str, Any]] | None:
    """The replay without its logged total, where its weights are another step's by their number."""
    number = step_of(replay.checkpoint) if replay.checkpoint else None
    if number is None or replay.step in (NO_STEP, number + 1):
        return None
    said = (
        f"{Path(replay.checkpoint).name} was written after update {number:,}, so it belongs to "
        f"step {number + 1:,} and says nothing of step {replay.step:,}"
    )
    facts = {"checkpoint": replay.checkpoint, "checkpoint_step": number, "step": replay.step}
    return replace(replay, total_logged=None), said, {**facts, "by_number": True}


def _shared(tried: Sequence[Again]) -> list[Way]:
    """The ways in which every replay could be computed, in a fixed order."""
    if not tried:
        return []
    return [way for way in tried[0].ways if all(way in again.ways for again in tried[1:])]


def _in_one_way(evidence: ReplayEvidence, way: Way, tried: Sequence[Again]) -> Hypothesis:
    pairs = zip(evidence.replays, tried, strict=True)
    changed = tuple(_retotalled(evidence, r, again.ways[way]) for r, again in pairs)
    return Hypothesis(way.check, way.summary, changed, dict(way.facts))


def _retotalled(
    evidence: ReplayEvidence, replay: Replay, terms: Mapping[str, Recomputed]
) -> Replay:
    """With other terms, and the declared formula on them; the logged total stays."""
    total = total_of(evidence.declared, terms, replay.given, replay.step, replay.dtype)
    return replace(replay, terms=terms, total=total)


def _aligned(rows: Sequence[Replay], tried: Sequence[Again]) -> Hypothesis | None:
    """Every replay that does not agree in its place, if something agrees for each of them."""
    replays = list[Replay]()
    said = list[tuple[str, Mapping[str, Any]]]()
    for replay, again in zip(rows, tried, strict=True):
        if replay.agrees is not False:
            replays.append(replay)
        elif again.aligned is None:
            return None
        else:
            replays.append(again.aligned[0])
            said.append(again.aligned[1:])
    if not said:
        return None
    summary = said[0][0] + (f" (and {len(said) - 1} more like it)" if len(said) > 1 else "")
    facts: dict[str, Any] = {"steps": [dict(f) for _, f in said]}
    if any(f.get("by_number") for _, f in said):
        facts["by_number"] = True
    if all(f.get("stated") for _, f in said):
        facts["stated"] = True
    return Hypothesis(ALIGNMENT, summary, tuple(replays), facts, decisive=False)
