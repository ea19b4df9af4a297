"""The `report` command: a stored result becomes reports again."""

from __future__ import annotations

from lossaudit.cli.check import Output, leave
from lossaudit.cli.output import check_destinations
from lossaudit.witnesses.stored_result import read_result


def run(stored: str, output: Output) -> None:
    """Render, and leave with the stored exit code."""
    destinations = check_destinations(output.format, output.path, output.reports, output.quiet)
    for destination in destinations:
        destination.refuse_inputs([stored])
    leave(read_result(stored), destinations)
