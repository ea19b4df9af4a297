"""What can be typed after `lossaudit verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit.cli import options
from lossaudit.cli.guard import guarded


def verify(
    result: Annotated[
        str, typer.Argument(metavar="RESULT", help="A result that --format json wrote.")
    ],
    root: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="What the result's paths are relative to."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Recompute there instead.")
    ] = None,
    trust_adapter: Annotated[
        bool, typer.Option("--trust-adapter", help="Run the adapter's code that the result names.")
    ] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Open pickled weights, as the result did.")
    ] = False,
    format_: options.OwnFormat = "full",
    output: options.OutputFile = None,
) -> None:
    """Repeat the audit of a stored result, and say what changed.

    Exit code 0: identical, or recomputed numbers within the stated bounds. 1: something differs.

    Example:

      lossaudit audit run --format json --output result.json; lossaudit verify result.json
    """
    with guarded():
        from lossaudit.cli import verify as command

        granted = {"adapter": trust_adapter, "allow_pickle": allow_pickle}
        trusted = {name for name, given in granted.items() if given}
        command.run(result, root, trusted, device, format_, output)
