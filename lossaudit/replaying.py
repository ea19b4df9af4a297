"""The replay witness: batches and weights -> recomputed steps -> evidence, findings, entry.

replay_pair         a batch becomes the terms of its step, on some rank      witnesses/replay/
settle              what was logged of that step stands beside them          closure/replay/
examine_replays     the rows are decided
explain_replays     where some are refuted: other regions, means, weights
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit.closure.examine import LogEvidence
from lossaudit.closure.replay.examine import ReplayEvidence, examine_replays, explain_replays
from lossaudit.closure.replay.logged import LoggedSteps, logged_steps
from lossaudit.closure.replay.neighbours import steps_around
from lossaudit.closure.replay.settle import settle
from lossaudit.spec.logged_weights import logged_weights
from lossaudit.spec.schema import Spec
from lossaudit.witnesses.recorded_environment import parse_environment
from lossaudit.witnesses.replay.align import align, steps_of_batches
from lossaudit.witnesses.replay.device import choose_device
from lossaudit.witnesses.replay.engine import Replayer, replayer_for
from lossaudit.witnesses.replay.pairs import Outcome, Refused, replay_pair, told
from lossaudit.witnesses.replay.ranks import Ranks
from lossaudit.witnesses.replay.request import Pair, Request
from lossaudit.witnesses.replay.surroundings import surroundings_of
from lossaudit.witnesses.run_folder import RunFolder

Tell = Callable[[str], None]
"""Takes a line for the user: what is being replayed, or what was chosen for him."""


class Voices(Struct, frozen=True):
    """What a replay tells while it works.

    Attributes:
        note: a choice that was made, said once.
        progress: what is being worked on.
    """

    note: Tell = lambda _: None
    progress: Tell = lambda _: None


class Replayed(Struct, frozen=True):
    """Everything that a replay gave.

    Attributes:
        evidence: for the verdict and the checks.
        refused: pairs and weights that could not be replayed.
        notes: why logs were not compared with, and the like; (what, why) each.
        environment: what it was computed with.
        training: what the batches say of the training's own environment, one entry each.
    """

    evidence: ReplayEvidence
    refused: tuple[Refused, ...] = ()
    notes: tuple[tuple[str, str], ...] = field(default_factory=tuple)
    environment: Mapping[str, str] = field(default_factory=dict)
    training: tuple[Mapping[str, str], ...] = ()


def replay_steps(
    spec: Spec,
    request: Request,
    logs: Sequence[LogEvidence] = (),
    ranks: Ranks | None = None,
    voices: Voices | None = None,
) -> Replayed:
    """Replay the requested pairs and put the spec to the test on them.

    Args:
        spec: what the run is said to follow.
        request: which batches, with which weights.
        logs: of the same run, whose totals go before those that the batches state.
        ranks: the processes that share the work; every one gets the whole result.
        voices: told what is being done.

    Raises:
        UsageError: if the spec defines no terms, or networks cannot be run.
        RankError: if another rank fails.
    """
    ranks, voices = ranks or Ranks(), voices or Voices()
    device = choose_device(request.device)
    if device.note and ranks.is_first:
        voices.note(device.note)
    replayer = replayer_for(spec, request, device.name)
    if not logs and not request.is_lenient:
        replayer.demanded = logged_weights(spec)
    if replayer.adapter is not None and replayer.adapter.notice and ranks.is_first:
        voices.note(replayer.adapter.notice)
    pairs = sorted(request.pairs)
    outcomes = ranks.spread(pairs, _work(replayer, len(pairs), voices))
    refused = tuple(r for o in outcomes for r in o.refused)
    found = sorted(
        (o.replay for o in outcomes if o.replay is not None), key=lambda r: (r.step, r.batch)
    )
    beside = [logged_steps(e, steps_around({r.step for r in found})) for e in logs]
    evidence = examine_replays(spec, request.source, settle(spec, found, beside))
    if evidence.is_refuted:
        from lossaudit.explaining import hypotheses

        tried = hypotheses(evidence, replayer, beside, ranks, voices.progress)
        evidence = explain_replays(evidence, tried)
    training, unread = _trained_in(outcomes)
    notes = (*request.notes, *_unused(logs, beside), *unread)
    environment = surroundings_of(found, ranks.count) if found else {}
    return Replayed(evidence, refused, notes, environment, training)


def _trained_in(
    outcomes: Sequence[Outcome],
) -> tuple[tuple[Mapping[str, str], ...], tuple[tuple[str, str], ...]]:
    """What the batches say of the training's environment, and why some cannot be read."""
    entries, unread = [], []
    for text in dict.fromkeys(o.environment for o in outcomes if o.environment):
        try:
            entries.append(parse_environment(text.encode("utf-8", "replace")))
        except ValueError as error:
            unread.append(("environment", f"a batch's is not what the recorder writes: {error}"))
    return tuple(entries), tuple(unread)


def _work(replayer: Replayer, count: int, voices: Voices) -> Callable[[int, Pair], Outcome]:
    def work(place: int, pair: Pair) -> Outcome:
        voices.progress(told(pair, place + 1, count))
        return replay_pair(replayer, pair)

    return work


def _unused(
    logs: Sequence[LogEvidence], beside: Sequence[LoggedSteps]
) -> tuple[tuple[str, str], ...]:
    """Logs whose totals were not compared with the recomputed ones."""
    return tuple(
        ("replay", f"{e.log.source} is not compared with the replayed steps: {b.obstacle}")
        for e, b in zip(logs, beside, strict=True)
        if b.obstacle
    )


class Plan(Struct, frozen=True):
    """What of a run's folder is replayed.

    Attributes:
        request: with a pair for every batch.
        notes: (kind, what is not used and why).
    """

    request: Request
    notes: tuple[tuple[str, str], ...]


def plan_replay(spec: Spec, run: RunFolder, asked: Request) -> Plan:
    """Match the batches of a run with its weights.

    Args:
        spec: whose formula is to be judged.
        run: the folder.
        asked: what the user says of parts, adapter and device.
    """
    aligned = align(run.checkpoints, steps_of_batches(run.batches))
    notes = aligned.notes
    if not run.batches:
        notes = (
            *notes,
            ("replay", "no sample batch was found: a recorder writes them in training"),
        )
    request = replace(
        asked,
        pairs=aligned.pairs,
        parts={**run.parts, **asked.parts},
        others=tuple(run.checkpoints),
        is_lenient=True,
    )
    return Plan(request, notes)
