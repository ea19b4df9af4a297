"""Witnesses with their findings -> one Result: one verdict, one exit code."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit import __version__, registry
from lossaudit.baseline import Baseline
from lossaudit.closure.check import Check
from lossaudit.closure.verdict import combine
from lossaudit.closure.witness import describe_spec
from lossaudit.completing import complete
from lossaudit.errors import UsageError
from lossaudit.model.finding import Finding, Severity, Verdict
from lossaudit.model.reproduction import Input
from lossaudit.model.result import ExitCode, Result, Witness
from lossaudit.rendering.short_paths import short_paths
from lossaudit.seeing import Seen
from lossaudit.spec.schema import Spec
from lossaudit.witnesses.log import Progress, ReadLog, read_log
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.recorded_environment import told_alike

DAMAGE = "damaged-input"
MOST_REASONS = 3
"""Witnesses whose reason the headline gives; each gives its own below."""


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

    def reading(self, spec: Spec) -> Callable[[str], ReadLog]:
        """Reads a log as these say, and where they say nothing, as the spec does."""
        layout = replace(self.read, usual_columns=spec.columns, usual_pattern=spec.pattern)
        return lambda path: read_log(path, self.reader, layout, self.progress)


def chosen_checks(options: AuditOptions) -> dict[str, Check]:
    """The checks to run: all, less those that were ignored or not selected."""
    known: dict[str, Check] = registry.load("lossaudit.checks", Check)
    for name in (*options.select, *options.ignore):
        if name not in known:
            raise UsageError(f"no check is called {name!r}", expected=", ".join(known))
    return known


def conclude(
    spec: Spec,
    seen: Sequence[Seen],
    options: AuditOptions,
    skipped: Sequence[tuple[str, str]] = (),
    further: Iterable[Finding] = (),
    training: Iterable[Mapping[str, str]] = (),
    inputs: Sequence[Input] = (),
) -> Result:
    """Combine verdicts, drop what was not asked for, choose the exit code.

    Args:
        spec: the declaration.
        seen: the witnesses with their findings.
        options: which findings count.
        skipped: (what, why) of everything that was left out.
        further: findings on several witnesses together.
        training: what the run's files say of the environment in which it was trained.
        inputs: what was read besides the witnesses.
    """
    witnesses = tuple(s.witness for s in seen)
    found = [*(f for s in seen for f in s.findings), *further]
    verdict = combine([w.verdict for w in witnesses])
    findings = _kept(found, verdict, options)
    damaged = any(s.is_damaged for s in seen) or any(f.check == DAMAGE for f in found)
    left_out = _left_out(options)
    result = Result(
        verdict,
        ExitCode.PASS,
        _reason(verdict, witnesses),
        describe_spec(spec, [s.dtype for s in seen]),
        witnesses,
        tuple(sorted(findings, key=_order)),
        (*(n for s in seen for n in s.skipped), *skipped, *_not_selected(options)),
        __version__,
        {"python": platform.python_version()},
        training=told_alike([*training, *(entry for s in seen for entry in s.training)]),
        further_inputs=tuple(inputs),
    )
    ran = (name for name in chosen_checks(options) if name not in left_out)
    result = complete(result, ran, options.fail_on, options.baseline)
    return replace(result, exit_code=choose_exit_code(verdict, result.findings, damaged, options))


def _reason(verdict: Verdict, witnesses: Sequence[Witness]) -> str:
    """Why, in one sentence; of several witnesses those that refute it or that do not agree."""
    if not witnesses:
        return "there is nothing to audit: no log and no sample batch was found"
    if len(witnesses) == 1:
        return witnesses[0].reason
    counts = {v: sum(w.verdict == v for w in witnesses) for v in Verdict}
    summary = ", ".join(f"{count} {v.value}" for v, count in counts.items() if count)
    what = "logs" if {w.kind for w in witnesses} == {"log"} else "witnesses"
    names = short_paths([w.source for w in witnesses])
    telling = Verdict.FAIL if verdict is Verdict.FAIL else Verdict.INCONCLUSIVE
    told = [w for w in witnesses if w.verdict is telling] or list(witnesses)
    said = [f"{names[w.source]}: {w.reason}" for w in told[:MOST_REASONS]]
    said += [f"and {len(told) - len(said):,} more"] if len(told) > len(said) else []
    return f"{len(witnesses)} {what}, {summary}: {'; '.join(said)}"


def _not_selected(options: AuditOptions) -> list[tuple[str, str]]:
    return [(name, "not selected") for name in _left_out(options)]


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
    counted = [f for f in findings if f.check != DAMAGE and not f.known]
    if any(f.severity.rank >= options.fail_on.rank for f in counted):
        return ExitCode.FINDING
    if damaged:
        return ExitCode.DAMAGED
    if verdict is Verdict.INCONCLUSIVE and not options.allow_inconclusive:
        return ExitCode.INCONCLUSIVE
    return ExitCode.PASS
