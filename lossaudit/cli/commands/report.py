"""The `report` command: a stored result becomes reports again."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit.cli import options
from lossaudit.cli.guard import guarded


def report(
    result: Annotated[
        str, typer.Argument(metavar="RESULT", help="A JSON result of ours; - is standard input.")
    ],
    format_: options.Format = "full",
    output: options.OutputFile = None,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Render a stored result again, in any format.

    Nothing is audited. The reports are byte for byte those of the command that wrote it, and so is
    the exit code.

    Examples:

      lossaudit report result.json --format markdown

      lossaudit report result.json --quiet --report sarif=a.sarif --report junit=a.xml
    """
    with guarded():
        from lossaudit.cli.output import check_destinations, deliver
        from lossaudit.witnesses.stored_result import read_result

        destinations = check_destinations(format_, output, report or [], quiet, verbose)
        for destination in destinations:
            destination.refuse_inputs([result])
        stored = read_result(result)
        for destination in destinations:
            deliver(stored, destination)
        raise typer.Exit(int(stored.exit_code))
