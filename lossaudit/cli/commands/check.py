"""The `check` command: options become a spec and audit options; the result becomes reports."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit.cli import options
from lossaudit.cli.guard import guarded


def check(
    logs: options.Logs,
    spec: options.SpecName = None,
    formula: options.Formula = None,
    rival: options.Rivals = None,
    map_: options.Map = None,
    aggregate: options.Aggregate = None,
    dtype: options.Dtype = None,
    accumulation_steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Of the run: a total that is N times off is named."),
    ] = None,
    ranks: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Of the run, in the same way.")
    ] = None,
    reader: options.ReaderName = None,
    columns: options.Columns = None,
    pattern: options.Pattern = None,
    format_: options.Format = "full",
    output: options.OutputFile = None,
    report: options.Reports = None,
    select: options.Select = None,
    ignore: options.Ignore = None,
    fail_on: options.FailOn = "error",
    allow_inconclusive: options.AllowInconclusive = False,
    baseline: options.Baseline = None,
    write_baseline: options.WriteBaseline = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Check every logged total against the declared formula.

    Does it follow that formula, row by row, and not a rival?

    Examples:

      lossaudit check runs/1/log.jsonl --spec musetalk-v1

      lossaudit check log.csv -f "loss = 2*lip + lat" --rival "lip + 2*lat"

      zcat train.log.gz | lossaudit check - -f '`Total Loss` = sum(`* Loss`)'
    """
    with guarded():
        from lossaudit.audit import check_logs
        from lossaudit.cli import auditing
        from lossaudit.cli.progress import show_progress

        declaration = auditing.Declaration(
            spec,
            formula,
            rival or [],
            map_ or [],
            aggregate or [],
            dtype,
            accumulation_steps,
            ranks,
        )
        layout = auditing.Layout(reader, columns, pattern, not no_progress and not quiet)
        policy = auditing.Policy(
            select or [], ignore or [], fail_on, allow_inconclusive, baseline, write_baseline
        )
        shown = auditing.Output(format_, output, report or [], quiet, verbose)
        destinations = auditing.destinations_for(logs, shown, policy, spec)
        declared = auditing.declared_spec(declaration)
        with show_progress(layout.progress, logs) as progress:
            chosen = auditing.audit_options(layout, policy, progress)
            result = check_logs(declared, logs, chosen)
        auditing.leave(result, destinations, write_baseline)
