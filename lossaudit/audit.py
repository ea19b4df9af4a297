"""START HERE. spec + witnesses -> evidence -> findings -> Result.

find_run      what a run's folder holds                     witnesses/
read_log      a log becomes a table, with its damage        witnesses/
replay_steps  batches and weights become recomputed steps   witnesses/replay/
examine       the table meets the spec: rows are decided    closure/
checks        each asks one question of the evidence        checks/
conclude      verdicts are combined, an exit code is chosen
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lossaudit.concluding import AuditOptions as AuditOptions
from lossaudit.concluding import chosen_checks, conclude
from lossaudit.model.result import Result
from lossaudit.seeing import (
    damage_of,
    examine_log,
    logs_of,
    seen_log,
    seen_replays,
    seen_weights,
    shared_steps,
    with_gradients,
)
from lossaudit.spec.load import load_spec
from lossaudit.spec.schema import Spec

if TYPE_CHECKING:
    from lossaudit.replaying import Voices
    from lossaudit.witnesses.replay.ranks import Ranks
    from lossaudit.witnesses.replay.request import Request


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
    checks, read = chosen_checks(options), options.reading(spec)
    examined = [examine_log(spec, read(path)) for path in logs]
    seen = [seen_log(log, evidence, checks) for log, evidence in examined]
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
    beside = [examine_log(spec, options.reading(spec)(path)) for path in logs]
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
    from lossaudit.replaying import plan_replay, replay_steps
    from lossaudit.witnesses.recorded_environment import read_environments
    from lossaudit.witnesses.replay.request import Request
    from lossaudit.witnesses.run_folder import find_run, spec_in

    options, request = options or AuditOptions(), request or Request((), run_dir)
    spec = spec if isinstance(spec, Spec) else load_spec(spec or spec_in(run_dir))
    run = find_run(run_dir, request.allow_pickle, spec.pattern)
    checks = chosen_checks(options)
    logs = logs_of(spec, run.logs, options.reading(spec))
    seen = [seen_log(read, evidence, checks) for read, evidence in logs.witnesses]
    plan = plan_replay(spec, run, request)
    if plan.request.pairs:
        replayed = replay_steps(spec, plan.request, [e for _, e in logs.witnesses], voices=voices)
        seen.append(seen_replays(replayed, checks))
    seen = with_gradients(seen, logs.gradients)
    recorded = read_environments(run.environments)
    skipped = (*logs.unused, *plan.notes, *run.skipped, *recorded.skipped)
    found, inputs = seen_weights(logs.weights, seen), (*logs.inputs, *recorded.inputs)
    return conclude(spec, seen, options, skipped, found, recorded.entries, inputs)


class _CallableModule(ModuleType):
    """This module, which is also the function of its name: `lossaudit.audit("runs/1")`.

    Python puts an imported module in place of whatever its package holds under that name.
    """

    __call__ = staticmethod(audit)


sys.modules[__name__].__class__ = _CallableModule
