"""What can be typed after `lossaudit diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit.cli import options
from lossaudit.cli.guard import guarded


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A result that --format json wrote.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    format_: options.OwnFormat = "full",
    output: options.OutputFile = None,
) -> None:
    """Tell whether two runs optimise the same loss.

    Their certified weights are compared, and the shares. Exit code 0: the same. 1: some weight fits
    no row of the other run. 3: it cannot be told.

    Example:

      lossaudit diff original.json reproduction.json
    """
    with guarded():
        from lossaudit.cli import diff as command

        command.run(first, second, format_, output)
