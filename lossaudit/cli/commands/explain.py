"""What can be typed after `lossaudit explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit.cli import completion
from lossaudit.cli.guard import guarded


def explain(
    name: Annotated[
        str,
        typer.Argument(
            help="Of a check, a preset, a log format or a report format.",
            autocompletion=completion.everything_explained,
        ),
    ],
) -> None:
    """Explain a check, a log or report format, or a preset."""
    with guarded():
        from lossaudit.cli import lookups

        lookups.explain(name)
