"""What can be typed after `lossaudit init`."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit.cli import completion, options
from lossaudit.cli.guard import guarded


def init(
    logs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LOG]...", help="A log whose formula shall be found."),
    ] = None,
    formula: options.Formula = None,
    rival: options.Rivals = None,
    spec: Annotated[
        str | None,
        typer.Option(
            "--spec",
            "-s",
            metavar="PRESET",
            help="Copy a preset, to change it.",
            autocompletion=completion.specs,
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="Never one that is there already."),
    ] = "lossaudit.yaml",
    total: options.Total = None,
    without: options.Without = None,
    aggregate: options.Aggregate = None,
    dtype: options.Dtype = None,
    reader: options.ReaderName = None,
    columns: options.Columns = None,
    pattern: options.Pattern = None,
    no_progress: options.NoProgress = False,
) -> None:
    """Start a spec from a log, a formula or a preset.

    It is a lossaudit.yaml with comments. From a log it takes what `identify` finds. What the log
    does not establish is marked UNDECIDED.

    Examples:

      lossaudit init runs/1/log.jsonl

      lossaudit init -f "loss = 2*lip + lat" --rival "figure=lip + 2*lat"

      lossaudit init --spec musetalk-v1
    """
    with guarded():
        from lossaudit.cli import init as command
        from lossaudit.cli.auditing import Layout
        from lossaudit.cli.identify import Asked

        command.run(
            command.Source(logs or [], formula, rival or [], spec),
            Asked(total, without or [], aggregate or [], dtype, None),
            Layout(reader, columns, pattern, not no_progress),
            output,
        )
