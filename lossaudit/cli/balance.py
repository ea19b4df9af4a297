"""The `balance` command: logs, or one stored result, become shares and reports."""

from __future__ import annotations

from lossaudit.balance.what_if import parse_what_if
from lossaudit.balancing import balance_logs, balance_result
from lossaudit.cli.auditing import (
    Declaration,
    Layout,
    Output,
    Policy,
    audit_options,
    declared_spec,
    destinations_for,
    leave,
)
from lossaudit.cli.progress import show_progress
from lossaudit.errors import UsageError
from lossaudit.witnesses.stored_result import is_result


def run(
    logs: list[str],
    declaration: Declaration,
    layout: Layout,
    output: Output,
    policy: Policy,
    what_if: list[str],
) -> None:
    """Weigh the terms, report, and leave with the contract's exit code."""
    destinations = destinations_for(logs, output, policy, declaration.spec)
    questions = parse_what_if(what_if)
    stored = [] if layout.reader is not None else [log for log in logs if is_result(log)]
    if stored:
        _refuse_more(stored[0], logs, declaration, layout)
        leave(balance_result(stored[0], questions, audit_options(layout, policy)), destinations)
    spec = declared_spec(declaration)
    with show_progress(layout.progress, logs) as progress:
        result = balance_logs(spec, logs, questions, audit_options(layout, policy, progress))
    leave(result, destinations)


def _refuse_more(result: str, logs: list[str], declaration: Declaration, layout: Layout) -> None:
    """A result stands alone, for it says itself what was declared and read."""
    if len(logs) > 1:
        raise UsageError(f"{result!r} is a result, which is shown alone", hint="name it alone")
    declared = [declaration.spec, declaration.formula, declaration.dtype, layout.columns]
    given = any(v is not None for v in [*declared, layout.pattern])
    if given or declaration.maps or declaration.aggregates:
        raise UsageError(
            f"{result!r} is a result: it says itself what was declared",
            hint="leave out --spec and the like, or name the log, or a --reader if it is a log",
        )
