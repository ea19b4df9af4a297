"""The `report` command: a stored result becomes reports again."""

from __future__ import annotations

import typer

from lossaudit.cli.check import Output
from lossaudit.cli.output import check_destinations, deliver
from lossaudit.witnesses.stored_result import read_result


def run(stored: str, output: Output) -> None:
    """Render, and leave with the stored exit code."""
    destinations = check_destinations(output.format, output.path, output.reports, output.quiet)
    for destination in destinations:
        destination.refuse_inputs([stored])
    result = read_result(stored)
    for destination in destinations:
        deliver(result, destination)
    raise typer.Exit(int(result.exit_code))
