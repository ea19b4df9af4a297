"""START HERE. spec + logs -> evidence -> findings -> Result.

read_log      a file becomes a table, with its damage       witnesses/
examine       the table meets the spec: rows are decided    closure/
checks        each asks one question of the evidence        checks/
conclude      verdicts are combined, an exit code is chosen
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit import __version__, registry
from lossaudit.baseline import Baseline
from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence, examine
from lossaudit.closure.overlap import overlaps
from lossaudit.closure.verdict import combine, judge
from lossaudit.closure.witness import describe, describe_spec
from lossaudit.completing import complete
from lossaudit.errors import UsageError
from lossaudit.model.finding import Finding, Severity, Verdict
from lossaudit.model.result import ExitCode, Result
from lossaudit.spec.schema import Spec
from lossaudit.witnesses.log import Progress, ReadLog, read_log
from lossaudit.witnesses.reader import ReadOptions


class AuditOptions(Struct, frozen=True):
    """How to read, and which findings count.

    Attributes:
        reader: a reader's name; None detects each log's format.
        read: the layout, where the user knows it.
        select, ignore: check names; an empty `select` means all.
        fail_on: the least severity that gives exit code 1.
        allow_inconclusive: INCONCLUSIVE gives exit code 0.
        progress: called with the number of records read so far.
        baseline: findings that are accepted; they do not change the exit code.
    """

    reader: str | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    select: Collection[str] = ()
    ignore: Collection[str] = ()
    fail_on: Severity = Severity.ERROR
    allow_inconclusive: bool = False
    progress: Progress = lambda _: None
    baseline: Baseline | None = None


def check_logs(spec: Spec, logs: Sequence[str], options: AuditOptions | None = None) -> Result:
    """Audit logs against a spec; each log is a witness of its own.

    Args:
        spec: what the logs are said to follow.
        logs: paths; "-" is standard input.
        options: how to read, and which findings count.

    Raises:
        InputError: if a log cannot be opened or recognised.
        UsageError: if an option names something unknown.
    """
    options = options or AuditOptions()
    checks = chosen_checks(options)
    reads = [read_log(path, options.reader, options.read, options.progress) for path in logs]
    evidence = [examine(spec, read.log, read.damage, read.changes) for read in reads]
    found = [f for e in evidence for c in checks.values() for f in labelled(c.run(e), e)]
    found += shared_steps(evidence)
    return conclude(spec, reads, evidence, found, options)


def chosen_checks(options: AuditOptions) -> dict[str, Check]:
    """The checks to run: all, less those that were ignored or not selected."""
    known: dict[str, Check] = registry.load("lossaudit.checks", Check)
    for name in (*options.select, *options.ignore):
        if name not in known:
            raise UsageError(f"no check is called {name!r}", expected=", ".join(known))
    return known


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


def labelled(found: Iterable[Finding], evidence: LogEvidence) -> list[Finding]:
    """Findings with the name of the log that they are about."""
    return [replace(f, witness=evidence.log.source) for f in found]


def conclude(
    spec: Spec,
    reads: Sequence[ReadLog],
    evidence: Sequence[LogEvidence],
    found: Sequence[Finding],
    options: AuditOptions,
) -> Result:
    """Combine verdicts, drop what was not asked for, choose the exit code."""
    judged = [judge(e) for e in evidence]
    verdict = combine([v for v, _ in judged])
    reason = _reason(verdict, [(e.log.source, *j) for e, j in zip(evidence, judged, strict=True)])
    witnesses = tuple(
        describe(e, v, r, read.reader, read.sha256)
        for e, (v, r), read in zip(evidence, judged, reads, strict=True)
    )
    findings = _kept(found, verdict, options)
    damaged = any(read.is_damaged for read in reads)
    left_out = _left_out(options)
    result = Result(
        verdict,
        ExitCode.PASS,
        reason,
        describe_spec(spec, evidence),
        witnesses,
        tuple(sorted(findings, key=_order)),
        tuple((name, "not selected") for name in left_out),
        __version__,
        {"python": platform.python_version()},
    )
    ran = (name for name in chosen_checks(options) if name not in left_out)
    result = complete(result, ran, options.fail_on, options.baseline)
    return replace(result, exit_code=choose_exit_code(verdict, result.findings, damaged, options))


def _reason(verdict: Verdict, judged: Sequence[tuple[str, Verdict, str]]) -> str:
    """Why, in one sentence; of several logs each is named, since one of them may be undecided."""
    if len(judged) == 1:
        return judged[0][2]
    ordered = sorted(judged, key=lambda j: j[1] != verdict)
    counts = {v: sum(j[1] == v for j in judged) for v in Verdict}
    summary = ", ".join(f"{count} {v.value}" for v, count in counts.items() if count)
    return f"{len(judged)} logs, {summary}: " + "; ".join(f"{s}: {r}" for s, _, r in ordered)


def _order(finding: Finding) -> tuple[int, str, int, str]:
    return (
        -finding.severity.rank,
        finding.check,
        finding.steps[0] if finding.steps else -1,
        finding.witness,
    )


def _left_out(options: AuditOptions) -> list[str]:
    known = registry.load("lossaudit.checks", Check)
    return [n for n in known if n in options.ignore or (options.select and n not in options.select)]


def _kept(found: Sequence[Finding], verdict: Verdict, options: AuditOptions) -> list[Finding]:
    """The findings asked for; a FAIL keeps one error that cannot be ignored away."""
    left_out = set(_left_out(options))
    kept = [f for f in found if f.check not in left_out]
    refuting = {n for n, c in registry.load("lossaudit.checks", Check).items() if c.refutes}
    if verdict is Verdict.FAIL and not any(f.check in refuting for f in kept):
        kept.append(next(f for f in found if f.check in refuting))
    return kept


def choose_exit_code(
    verdict: Verdict, findings: Sequence[Finding], damaged: bool, options: AuditOptions
) -> ExitCode:
    """The code; known findings do not count, nor does damage as code 1: it has one of its own."""
    counted = [f for f in findings if f.check != "damaged-input" and not f.known]
    if any(f.severity.rank >= options.fail_on.rank for f in counted):
        return ExitCode.FINDING
    if damaged:
        return ExitCode.DAMAGED
    if verdict is Verdict.INCONCLUSIVE and not options.allow_inconclusive:
        return ExitCode.INCONCLUSIVE
    return ExitCode.PASS
