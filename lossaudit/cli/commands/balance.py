"""What can be typed after `lossaudit balance`."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit.cli import options
from lossaudit.cli.guard import guarded


def balance(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="LOG...",
            help="Log files or event folders, or one JSON result of ours; - is standard input.",
        ),
    ],
    spec: options.SpecName = None,
    formula: options.Formula = None,
    map_: options.Map = None,
    aggregate: options.Aggregate = None,
    dtype: options.Dtype = None,
    reader: options.ReaderName = None,
    columns: options.Columns = None,
    pattern: options.Pattern = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TERM=W[,W...]", help="The shares if a term had these weights. Repeatable."
        ),
    ] = None,
    format_: options.Format = "full",
    output: options.OutputFile = None,
    report: options.Reports = None,
    fail_on: options.FailOn = "error",
    allow_inconclusive: options.AllowInconclusive = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Tell which term dominates, and which weight would change it.

    A term above the spec's balance.max_share is a warning: --fail-on warning makes it exit code 1.
    A formula that the log refutes is a warning here too.

    Examples:

      lossaudit balance runs/1/log.jsonl --spec musetalk-v1

      lossaudit balance log.csv -f "loss = 2*lip + lat" --what-if lip=1.0,4.0

      lossaudit balance result.json
    """
    with guarded():
        from lossaudit.cli import balance as command
        from lossaudit.cli.auditing import Declaration, Layout, Output, Policy

        command.run(
            logs,
            Declaration(spec, formula, [], map_ or [], aggregate or [], dtype),
            Layout(reader, columns, pattern, not no_progress and not quiet),
            Output(format_, output, report or [], quiet),
            Policy([], [], fail_on, allow_inconclusive),
            what_if or [],
        )
