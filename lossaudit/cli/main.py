"""The app: the options of every command, and the commands. Nothing heavy is imported here."""

from __future__ import annotations

import gc
import inspect
import os
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from lossaudit import __version__
from lossaudit.cli.bash_words import ASKED, join_options
from lossaudit.cli.commands import Commands, function_of


class _Group(TyperGroup):
    """typer's group, whose commands are there before any of them is imported."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"commands": Commands()})

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands in the help, which needs what each does and not its options."""
        listed = (TyperCommand(n, help=inspect.getdoc(function_of(n))) for n in self.commands)
        TyperGroup(commands=list(listed)).format_commands(ctx, formatter)


app = typer.Typer(
    name="lossaudit",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Is the loss that this training run optimised and logged the loss that it claims?

    A spec declares the total as a formula over terms, and the rivals that it must be told from. The
    audit recomputes every logged total from the logged terms and compares, within what rounding can
    explain. The verdict is PASS, FAIL or INCONCLUSIVE.

    Exit codes: 0 PASS, 1 a finding, 2 usage or spec error, 3 INCONCLUSIVE, 4 input damaged or
    refused, 70 our bug.""",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lossaudit {__version__}")
        raise typer.Exit


@app.callback()
def lossaudit(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Entry point of the console script."""
    if ASKED in os.environ:
        join_options(os.environ)
    try:
        app(prog_name="lossaudit")
    finally:
        gc.freeze()  # spares the exit a search for cycles in every module that was loaded
