"""Replay evidence -> verdict and the witness's entry in a result."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from math import fsum, isfinite

from msgspec.structs import replace

from lossaudit.closure.outcome import Outcome
from lossaudit.closure.replay.distinction import distinction
from lossaudit.closure.replay.examine import Apart, ReplayEvidence
from lossaudit.closure.verdict import against_rivals
from lossaudit.closure.witness import with_outcome
from lossaudit.model.finding import Verdict
from lossaudit.model.replay import Replay
from lossaudit.model.result import Witness
from lossaudit.model.steps import step_in_words
from lossaudit.spec.formula_text import render

MOST_RIVALS = 3
"""Rivals of which an undecided verdict says whether they could have been told."""


def judge_replays(evidence: ReplayEvidence) -> tuple[Verdict, str]:
    """The verdict on replayed steps, and why, in one sentence without a full stop."""
    outcome = evidence.outcome
    if outcome is None:
        return Verdict.INCONCLUSIVE, evidence.obstacle + _told(evidence)
    declared = outcome.declared
    if declared.refuted:
        return _refuted(evidence, outcome)
    if outcome.excused:
        steps = f"{outcome.excused:,} of {outcome.rows:,} replayed steps"
        closes = "closes" if outcome.excused == 1 else "close"
        doubted = f"{steps} {closes} only if {outcome.assumption}"
        return Verdict.INCONCLUSIVE, doubted + _told(evidence)
    if not declared.decided:
        reasons = "; ".join(f"{r} ({n:,} steps)" for r, n in outcome.undecided.items())
        none = f"none of {outcome.rows:,} replayed steps could be decided: {reasons}"
        return Verdict.INCONCLUSIVE, none + _told(evidence)
    several = f"all {declared.decided:,} replayed steps"
    agreed = f"the formula holds on {several if declared.decided > 1 else 'the one replayed step'}"
    verdict, reason = against_rivals(outcome, agreed)
    undecided = len(evidence.replays) - declared.decided
    if undecided:
        reason += f"; {undecided:,} more could not be decided"
    return verdict, reason + ("" if verdict is Verdict.PASS else _told(evidence))


def _refuted(evidence: ReplayEvidence, outcome: Outcome) -> tuple[Verdict, str]:
    declared = outcome.declared
    rows = f"{declared.refuted:,} of {declared.decided:,} replayed steps refute the formula"
    start = f", from {step_in_words(declared.first_refuted or 0)}"
    first = next(iter(evidence.explanations), None)
    if first is not None and not first.decisive and not declared.nonfinite:
        return Verdict.INCONCLUSIVE, f"{first.summary}: {rows} as they were replayed"
    return Verdict.FAIL, f"{first.summary + ': ' if first else ''}{rows}{start}"


def _told(evidence: ReplayEvidence) -> str:
    """Whether the named rivals could have been told at this precision."""
    said = [_apart_in_words(a) for a in evidence.apart[:MOST_RIVALS]]
    return f"; {'; '.join(said)}" if said else ""


def _apart_in_words(apart: Apart) -> str:
    named = f"rival `{apart.name}`"
    said = distinction(named, apart.declared, apart.rival, apart.half_width)
    return f"at {step_in_words(apart.step)} {said}"


def describe_replays(evidence: ReplayEvidence, verdict: Verdict, reason: str) -> Witness:
    """What the replays said, as reports show it."""
    logged = sum(r.total_logged is not None for r in evidence.replays)
    base = Witness(
        "replay",
        evidence.source,
        verdict,
        reason,
        render(evidence.declared),
        sha256=digest_of(evidence.replays),
        records=len(evidence.replays),
        rows=logged,
        replays=tuple(map(_as_shown, evidence.replays)),
        means=means_of(evidence.replays),
    )
    if evidence.outcome is None:
        return base
    return with_outcome(base, evidence.outcome, evidence.locate)


def _as_shown(replay: Replay) -> Replay:
    """Without the likely reading of its numbers, which has served."""
    return replace(replay, likely_half=None, likely_given={})


def means_of(replays: Sequence[Replay]) -> dict[str, float]:
    """The mean of the total and of each term over the steps that have it.

    Summed exactly (`math.fsum`) in the order of the steps, so that it does not depend on which
    process computed which step.
    """
    columns: dict[str, list[float]] = {"total": [r.total.value for r in replays]}
    for replay in replays:
        for name, term in replay.terms.items():
            columns.setdefault(name, []).append(term.float64)
    finite = {n: [v for v in values if isfinite(v)] for n, values in columns.items()}
    return {n: fsum(values) / len(values) for n, values in finite.items() if values}


def digest_of(replays: tuple[Replay, ...]) -> str:
    """One digest over the digests of all files that were read, in the order of their paths."""
    files = {f.path: f.sha256 for r in replays for f in r.files}
    return sha256("".join(digest for _, digest in sorted(files.items())).encode()).hexdigest()
