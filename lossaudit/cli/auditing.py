"""What the commands that audit share: options become a spec, a result becomes reports."""

from __future__ import annotations

from collections.abc import Callable

import typer
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.audit import AuditOptions
from lossaudit.baseline import baseline_text, read_baseline
from lossaudit.cli.output import (
    Destination,
    check_destinations,
    deliver,
    identity,
    write_file,
)
from lossaudit.cli.reproduction import with_reproduction
from lossaudit.errors import UsageError
from lossaudit.model.finding import Severity
from lossaudit.model.result import Result
from lossaudit.spec.hints import FIRST_SPEC
from lossaudit.spec.load import load_spec, spec_from_formula, with_rivals
from lossaudit.spec.overrides import override
from lossaudit.spec.schema import Spec
from lossaudit.witnesses.reader import ReadOptions


class Declaration(Struct, frozen=True):
    """What the user declares the loss to be."""

    spec: str | None
    formula: str | None
    rivals: list[str]
    maps: list[str]
    aggregates: list[str]
    dtype: str | None
    accumulation_steps: int | None = None
    ranks: int | None = None


class Layout(Struct, frozen=True):
    """What the user says about the log's format."""

    reader: str | None
    columns: str | None
    pattern: str | None
    progress: bool


class Output(Struct, frozen=True):
    """Where reports go."""

    format: str
    path: str | None
    reports: list[str]
    quiet: bool
    verbose: bool = False


class Policy(Struct, frozen=True):
    """Which findings count."""

    select: list[str]
    ignore: list[str]
    fail_on: str
    allow_inconclusive: bool
    baseline: str | None = None
    write_baseline: str | None = None


def destinations_for(
    logs: list[str], output: Output, policy: Policy, spec: str | None = None
) -> list[Destination]:
    """Where the reports go, once everything that can be refused before reading has been looked at.

    Args:
        logs: as the user named them.
        output: where the reports shall go.
        policy: which findings count.
        spec: the spec's name or file, which no report may replace either.

    Raises:
        UsageError: if the logs, the severity or a report cannot be what they say.
    """
    if policy.fail_on not in {s.value for s in Severity}:
        raise UsageError(
            f"--fail-on: {policy.fail_on!r} is no severity", expected="error, warning, note"
        )
    if "" in logs:
        raise UsageError("a log's name is empty", expected="a file, a folder, or -")
    if len({identity(log) for log in logs}) < len(logs):
        raise UsageError("a log is named twice", hint="name each log once")
    destinations = check_destinations(
        output.format, output.path, output.reports, output.quiet, output.verbose
    )
    refuse_inputs(destinations, policy, [*logs, *([spec] if spec else [])])
    return destinations


def refuse_inputs(destinations: list[Destination], policy: Policy, read: list[str]) -> None:
    """Raise `UsageError` where a report or a new baseline would replace what is read.

    A baseline may be written over the one that was read, a report may not.
    """
    for destination in destinations:
        destination.refuse_inputs([*read, *([policy.baseline] if policy.baseline else [])])
    if policy.write_baseline is not None:
        Destination("", policy.write_baseline).refuse_inputs(read)


def audit_options(
    layout: Layout, policy: Policy, progress: Callable[[int], None] = lambda _: None
) -> AuditOptions:
    """The options as the audit takes them."""
    columns = tuple(c.strip() for c in layout.columns.split(",")) if layout.columns else ()
    given = ReadOptions(columns, layout.pattern)
    return AuditOptions(
        layout.reader or given.reader,
        given,
        policy.select,
        policy.ignore,
        Severity(policy.fail_on),
        policy.allow_inconclusive,
        progress,
        read_baseline(policy.baseline) if policy.baseline is not None else None,
    )


def leave(
    result: Result, destinations: list[Destination], write_baseline: str | None = None
) -> None:
    """Write every report, with how it can be made again, then end with the result's exit code.

    Raises:
        UsageError: if a report would replace a file that was read, such as one inside of a run's
            folder; then nothing is written.
    """
    result = with_reproduction(result)
    read = [i.path for i in result.reproduction.inputs] if result.reproduction else []
    for destination in destinations:
        destination.refuse_inputs(read)
    if write_baseline is not None:
        write_file(write_baseline, baseline_text(result))
    for destination in destinations:
        deliver(result, destination)
    raise typer.Exit(int(result.exit_code))


def declared_spec(declaration: Declaration) -> Spec:
    """The spec that the options name, with their changes."""
    if (declaration.spec is None) == (declaration.formula is None):
        nothing = declaration.spec is None
        raise UsageError(
            "nothing is declared" if nothing else "two formulas are declared",
            expected="either --spec NAME_OR_PATH or --formula 'TOTAL = EXPRESSION'",
            hint=FIRST_SPEC if nothing else "leave one of them out",
        )
    if declaration.formula is not None:
        spec = spec_from_formula(declaration.formula, declaration.rivals)
    else:
        assert declaration.spec is not None
        spec = with_rivals(load_spec(declaration.spec), declaration.rivals)
    spec = override(spec, declaration.maps, declaration.aggregates, declaration.dtype)
    return replace(
        spec,
        accumulation_steps=declaration.accumulation_steps or spec.accumulation_steps,
        ranks=declaration.ranks or spec.ranks,
    )
