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
from lossaudit.model.result import ExitCode, Result, Witness
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
    return conclude(spec, list(map(seen_log, reads, evidence)), found, options)


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


class Seen(Struct, frozen=True):
    """A witness as reports show it, with what concerns the result as a whole.

    Attributes:
        witness: its entry, verdict included.
        dtype: in which the total was formed, as the tolerances took it.
        is_damaged: whether some of its input could not be read.
    """

    witness: Witness
    dtype: str
    is_damaged: bool = False


def seen_log(read: ReadLog, evidence: LogEvidence) -> Seen:
    """A log as a witness."""
    witness = describe(evidence, *judge(evidence), read.reader, read.sha256)
    return Seen(witness, evidence.binding.dtype, read.is_damaged)


def conclude(
    spec: Spec,
    seen: Sequence[Seen],
    found: Sequence[Finding],
    options: AuditOptions,
    skipped: Sequence[tuple[str, str]] = (),
) -> Result:
    """Combine verdicts, drop what was not asked for, choose the exit code."""
    witnesses = tuple(s.witness for s in seen)
    verdict = combine([w.verdict for w in witnesses])
    findings = _kept(found, verdict, options)
    damaged = any(s.is_damaged for s in seen)
    left_out = _left_out(options)
    result = Result(
        verdict,
        ExitCode.PASS,
        _reason(verdict, witnesses),
        describe_spec(spec, [s.dtype for s in seen]),
        witnesses,
        tuple(sorted(findings, key=_order)),
        (*skipped, *((name, "not selected") for name in left_out)),
        __version__,
        {"python": platform.python_version()},
    )
    ran = (name for name in chosen_checks(options) if name not in left_out)
    result = complete(result, ran, options.fail_on, options.baseline)
    return replace(result, exit_code=choose_exit_code(verdict, result.findings, damaged, options))


def _reason(verdict: Verdict, witnesses: Sequence[Witness]) -> str:
    """Why, in one sentence; of several witnesses each is named, since one may be undecided."""
    if len(witnesses) == 1:
        return witnesses[0].reason
    ordered = sorted(witnesses, key=lambda w: w.verdict != verdict)
    counts = {v: sum(w.verdict == v for w in witnesses) for v in Verdict}
    summary = ", ".join(f"{count} {v.value}" for v, count in counts.items() if count)
    said = "; ".join(f"{w.source}: {w.reason}" for w in ordered)
    kinds = {w.kind for w in witnesses}
    what = "logs" if kinds == {"log"} else "witnesses"
    return f"{len(witnesses)} {what}, {summary}: {said}"


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
