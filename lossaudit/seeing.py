"""Evidence -> what a result holds of one witness: its entry, and what the checks found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit import registry
from lossaudit.balance.gradients import gradient_shares, gradients_beside
from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence, examine
from lossaudit.closure.overlap import overlaps
from lossaudit.closure.recorded_weights import are_recorded_gradients, are_recorded_weights
from lossaudit.closure.verdict import judge
from lossaudit.closure.witness import describe
from lossaudit.model.finding import Finding, Location, Severity, Verdict
from lossaudit.model.reproduction import Input
from lossaudit.model.result import Witness
from lossaudit.spec.schema import Spec
from lossaudit.witnesses.log import ReadLog

if TYPE_CHECKING:
    from lossaudit.replaying import Replayed


class Seen(Struct, frozen=True):
    """A witness as reports show it, with what concerns the result as a whole.

    Attributes:
        witness: its entry, verdict included.
        dtype: in which the total was formed, as the tolerances took it.
        is_damaged: whether some of its input could not be read.
        findings: what the checks say of it.
        skipped: (what, why) of what was left out of it.
        training: what it says of the training's own environment.
    """

    witness: Witness
    dtype: str
    is_damaged: bool = False
    findings: tuple[Finding, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    training: tuple[Mapping[str, str], ...] = ()


Examined = tuple[ReadLog, LogEvidence]


def examine_log(spec: Spec, read: ReadLog) -> Examined:
    """Put the spec to the test on a log that was read."""
    return read, examine(spec, read.log, read.damage, read.changes)


class RunLogs(Struct, frozen=True):
    """The logs of a run.

    Attributes:
        witnesses: those that hold the spec's total.
        weights: the recorder's, of what autograd used.
        gradients: the recorder's, of how strongly each term pulls at the network.
        unused: (kind, why) of the others.
        inputs: what was read of the recorder's other files.
    """

    witnesses: list[Examined] = field(default_factory=list)
    weights: list[LogEvidence] = field(default_factory=list)
    gradients: list[LogEvidence] = field(default_factory=list)
    unused: list[tuple[str, str]] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)


def logs_of(spec: Spec, paths: Sequence[str], read: Callable[[str], ReadLog]) -> RunLogs:
    """Tell a run's logs from one another."""
    logs = RunLogs()
    for path in paths:
        log, evidence = examine_log(spec, read(path))
        if are_recorded_weights(evidence):
            logs.weights.append(evidence)
            logs.inputs.append(Input(path, log.sha256))
        elif are_recorded_gradients(evidence):
            logs.gradients.append(evidence)
            logs.inputs.append(Input(path, log.sha256))
        elif evidence.binding.total is None and "total" not in spec.unlogged:
            logs.unused.append(("log", f"{path}: {evidence.obstacle}"))
        else:
            logs.witnesses.append((log, evidence))
    return logs


def with_gradients(seen: Sequence[Seen], gradients: Sequence[LogEvidence]) -> list[Seen]:
    """The witnesses with the gradient shares of the record that lies beside them.

    A record that lies beside no witness goes to the first one that replays, or else to the first.
    """
    found = list(seen)
    for evidence in gradients:
        shares = gradient_shares(evidence)
        beside = [k for k, s in enumerate(found) if _lies_beside(s.witness, evidence.log.source)]
        replayed = [k for k, s in enumerate(found) if s.witness.kind == "replay"]
        place = next(iter((*beside, *replayed, *range(len(found)))), None)
        if shares is not None and place is not None and found[place].witness.gradients is None:
            witness = replace(found[place].witness, gradients=shares)
            found[place] = replace(found[place], witness=witness)
    return found


def _lies_beside(witness: Witness, gradients: str) -> bool:
    return witness.kind == "log" and gradients_beside(witness.source) == gradients


def seen_weights(weights: Sequence[LogEvidence], seen: Sequence[Seen]) -> Iterator[Finding]:
    """What the recorder's weights say, and what of their file could not be read.

    Other weights than the declared are no news where a witness refutes the formula already.
    """
    check: Check = registry.load("lossaudit.checks", Check)["effective-weight"]
    has_failed = any(s.witness.verdict is Verdict.FAIL for s in seen)
    for evidence in weights:
        yield from damage_of(evidence)
        for finding in labelled(check.run(evidence), evidence):
            if not (has_failed and finding.severity is Severity.ERROR):
                yield finding


def seen_log(read: ReadLog, evidence: LogEvidence, checks: Mapping[str, Check]) -> Seen:
    """A log as a witness."""
    witness = describe(evidence, *judge(evidence), read.reader, read.sha256)
    found = tuple(f for c in checks.values() for f in labelled(c.run(evidence), evidence))
    return Seen(witness, evidence.binding.dtype, read.is_damaged, found)


def seen_replays(replayed: Replayed, checks: Mapping[str, Check]) -> Seen:
    """Replayed steps as a witness."""
    from lossaudit.closure.replay.judge import describe_replays, judge_replays

    evidence = replayed.evidence
    described = describe_replays(evidence, *judge_replays(evidence))
    witness = replace(described, environment=replayed.environment)
    found = [f for c in checks.values() for f in c.replay(evidence)]
    found += _refused(replayed)
    damaged = any(r.is_damage for r in replayed.refused)
    skipped = [(r.what, f"{r.where}: {r.message}") for r in replayed.refused if not r.is_damage]
    return Seen(
        witness,
        evidence.spec.dtype,
        damaged,
        tuple(replace(f, witness=evidence.source) for f in found),
        (*dict.fromkeys(skipped), *replayed.notes),
        replayed.training,
    )


def labelled(found: Iterable[Finding], evidence: LogEvidence) -> list[Finding]:
    """Findings with the name of the log that they are about."""
    return [replace(f, witness=evidence.log.source) for f in found]


def damage_of(evidence: LogEvidence) -> list[Finding]:
    """What of a log could not be read, where it is no witness of its own."""
    check: Check = registry.load("lossaudit.checks", Check)["damaged-input"]
    return labelled(check.run(evidence), evidence)


def shared_steps(evidence: Sequence[LogEvidence]) -> Iterator[Finding]:
    """Notes on event files of one folder that repeat each other's steps."""
    for shared in overlaps(evidence):
        source = shared.log.log.source
        message = (
            f"steps {shared.first:,} to {shared.last:,} are in {shared.earlier} too; each file is "
            "judged by itself: name the folder to have them judged as one run"
        )
        steps = (shared.first, shared.last)
        yield Finding("duplicate-steps", Severity.NOTE, message, steps, witness=source)


def _refused(replayed: Replayed) -> Iterator[Finding]:
    """Findings on batches and weights that could not be read."""
    for refused in dict.fromkeys(r for r in replayed.refused if r.is_damage):
        message = f"the {refused.what} could not be replayed: {refused.message}"
        yield Finding("damaged-input", Severity.ERROR, message, None, Location(refused.where))
