"""START HERE. spec + witnesses -> evidence -> findings -> Result.

find_run      what a run's folder holds                     witnesses/
read_log      a log becomes a table, with its damage        witnesses/
replay_steps  batches and weights become recomputed steps   witnesses/replay/
examine       the table meets the spec: rows are decided    closure/
checks        each asks one question of the evidence        checks/
conclude      verdicts are combined, an exit code is chosen
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

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
from lossaudit.model.result import ExitCode, Result, Witness
from lossaudit.rendering.short_paths import short_paths
from lossaudit.seeing import (
    Seen,
    damage_of,
    examine_log,
    logs_of,
    seen_log,
    seen_replays,
    shared_steps,
)
from lossaudit.spec.load import load_spec
from lossaudit.spec.schema import Spec
from lossaudit.witnesses.log import Progress, ReadLog, read_log
from lossaudit.witnesses.reader import ReadOptions

if TYPE_CHECKING:
    from lossaudit.replaying import Voices
    from lossaudit.witnesses.replay.ranks import Ranks
    from lossaudit.witnesses.replay.request import Request


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
    examined = [examine_log(spec, reading(options)(path)) for path in logs]
    seen = [seen_log(read, evidence, checks) for read, evidence in examined]
    return conclude(spec, seen, options, further=shared_steps([e for _, e in examined]))


def recompute(
    spec: Spec,
    request: Request,
    logs: Sequence[str] = (),
    options: AuditOptions | None = None,
    ranks: Ranks | None = None,
    voices: Voices | None = None,
) -> Result:
    """Recompute the terms of some steps from sample batches and weights, and judge the formula.

    Args:
        spec: what the run is said to follow, with the definitions of its terms.
        request: the batches, each with its weights where these are needed.
        logs: of the same run: their totals go before those that the batches state. They are no
            witnesses of their own here.
        options: how to read logs, and which findings count.
        ranks: the processes that share the work; every one gets the whole result.
        voices: told what is being done.

    Raises:
        InputError: if a log cannot be opened.
        UsageError: if the spec defines no terms, or networks cannot be run.
    """
    from lossaudit.replaying import replay_steps

    options = options or AuditOptions()
    beside = [examine_log(spec, reading(options)(path)) for path in logs]
    seen = seen_replays(
        replay_steps(spec, request, [e for _, e in beside], ranks, voices), chosen_checks(options)
    )
    seen = replace(
        seen,
        is_damaged=seen.is_damaged or any(read.is_damaged for read, _ in beside),
        findings=(*seen.findings, *(f for _, e in beside for f in damage_of(e))),
    )
    return conclude(spec, [seen], options)


def audit(
    run_dir: str,
    spec: Spec | str | None = None,
    options: AuditOptions | None = None,
    request: Request | None = None,
    voices: Voices | None = None,
) -> Result:
    """Audit a whole run: its logs, and the steps whose batches and weights were kept.

    Args:
        run_dir: the run's folder; see `find_run` for what is looked for.
        spec: a spec, its name or its path; None takes the folder's lossaudit.yaml.
        options: how to read logs, and which findings count.
        request: parts, adapter and device, where the folder does not say; its pairs are ignored.
        voices: told what is being done.

    Raises:
        UsageError: if there is no such folder, or no spec.
    """
    from lossaudit.replaying import plan_replay, replay_steps, spec_of
    from lossaudit.witnesses.replay.request import Request
    from lossaudit.witnesses.run_folder import find_run

    options, request = options or AuditOptions(), request or Request((), run_dir)
    run = find_run(run_dir, request.allow_pickle)
    spec = spec if isinstance(spec, Spec) else load_spec(spec or spec_of(run))
    checks = chosen_checks(options)
    logs, unused = logs_of(spec, run.logs, reading(options))
    seen = [seen_log(read, evidence, checks) for read, evidence in logs]
    plan = plan_replay(spec, run, request)
    if plan.request.pairs:
        replayed = replay_steps(spec, plan.request, [e for _, e in logs], voices=voices)
        seen.append(seen_replays(replayed, checks))
    return conclude(spec, seen, options, (*unused, *plan.notes, *run.skipped))


def reading(options: AuditOptions) -> Callable[[str], ReadLog]:
    """Reads a log as the options say."""
    return lambda path: read_log(path, options.reader, options.read, options.progress)


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
) -> Result:
    """Combine verdicts, drop what was not asked for, choose the exit code.

    Args:
        spec: the declaration.
        seen: the witnesses with their findings.
        options: which findings count.
        skipped: (what, why) of everything that was left out.
        further: findings on several witnesses together.
    """
    witnesses = tuple(s.witness for s in seen)
    found = [*(f for s in seen for f in s.findings), *further]
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
        (*(n for s in seen for n in s.skipped), *skipped, *_not_selected(options)),
        __version__,
        {"python": platform.python_version()},
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
    counted = [f for f in findings if f.check != "damaged-input" and not f.known]
    if any(f.severity.rank >= options.fail_on.rank for f in counted):
        return ExitCode.FINDING
    if damaged:
        return ExitCode.DAMAGED
    if verdict is Verdict.INCONCLUSIVE and not options.allow_inconclusive:
        return ExitCode.INCONCLUSIVE
    return ExitCode.PASS


class _CallableModule(ModuleType):
    """This module, which is also the function of its name: `lossaudit.audit("runs/1")`.

    Python puts an imported module in place of whatever its package holds under that name.
    """

    __call__ = staticmethod(audit)


sys.modules[__name__].__class__ = _CallableModule
