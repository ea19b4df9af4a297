"""What can be typed after `lossaudit identify`."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit.cli import options
from lossaudit.cli.guard import guarded


def identify(
    logs: options.Logs,
    total: options.Total = None,
    without: options.Without = None,
    aggregate: options.Aggregate = None,
    dtype: options.Dtype = None,
    write_spec: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the formula that was found as a spec file."),
    ] = None,
    reader: options.ReaderName = None,
    columns: options.Columns = None,
    pattern: options.Pattern = None,
    format_: options.Format = "full",
    output: options.OutputFile = None,
    report: options.Reports = None,
    fail_on: options.FailOn = "error",
    allow_inconclusive: options.AllowInconclusive = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Which formula does this log follow? No spec is needed.

    The simplest weighted sum of logged columns that no row refutes. PASS: it is established, no
    other fits. INCONCLUSIVE: several fit, or none does, and why.

    Examples:

      lossaudit identify runs/1/log.jsonl

      lossaudit identify log.csv --total loss --without "val_*" --write-spec my-loss.yaml
    """
    with guarded():
        from lossaudit.cli import identify as command
        from lossaudit.cli.auditing import Layout, Output, Policy

        command.run(
            logs,
            command.Asked(total, without or [], aggregate or [], dtype, write_spec),
            Layout(reader, columns, pattern, not no_progress and not quiet),
            Output(format_, output, report or [], quiet),
            Policy([], [], fail_on, allow_inconclusive),
        )
