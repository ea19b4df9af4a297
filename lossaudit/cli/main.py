"""The commands. Nothing heavy is imported here: each command imports what it needs when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit import __version__
from lossaudit.cli.guard import guarded

app = typer.Typer(
    name="lossaudit",
    no_args_is_help=True,
    add_completion=False,
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


@app.command()
def check(
    logs: Annotated[
        list[str],
        typer.Argument(metavar="LOG", help="Log files or event folders; - is standard input."),
    ],
    spec: Annotated[
        str | None,
        typer.Option(
            "--spec",
            "-s",
            metavar="NAME_OR_PATH",
            help="A preset's name (see `presets`) or a spec file.",
        ),
    ] = None,
    formula: Annotated[
        str | None,
        typer.Option(
            "--formula",
            "-f",
            metavar="FORMULA",
            help='Instead of a spec: "TOTAL = EXPRESSION" over tags.',
        ),
    ] = None,
    rival: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RIVAL", help='A formula that must be refuted: "[NAME=]EXPRESSION". Repeatable.'
        ),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="TERM=TAG", help="total=TAG or TERM=TAG. Repeatable."),
    ] = None,
    aggregate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG=KIND", help="KIND: step, last, mean:W, sum:K, median:W, ema:A. Repeatable."
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(metavar="DTYPE", help="Of the sum in training: float32, bfloat16, ..."),
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The log's format; without it the content decides."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Names for a table without a header: step,loss,a,b."),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(metavar="REGEX", help="A regular expression whose named groups are tags."),
    ] = None,
    format_: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="full, concise or json, on standard output."),
    ] = "full",
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the report to this file instead."
        ),
    ] = None,
    report: Annotated[
        list[str] | None, typer.Option(metavar="FORMAT=FILE", help="A further report. Repeatable.")
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Run only this check. Repeatable.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Leave this check out. Repeatable.")
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            metavar="SEVERITY",
            help="Least severity that gives exit code 1: error, warning or note.",
        ),
    ] = "error",
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="INCONCLUSIVE gives exit code 0.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No report on standard output.")
    ] = False,
    no_progress: Annotated[
        bool, typer.Option("--no-progress", help="No progress bar on standard error.")
    ] = False,
) -> None:
    """Does the logged total follow the declared formula, row by row, and not a rival?

    Examples:

      lossaudit check runs/1/log.jsonl --spec musetalk-v1

      lossaudit check log.csv -f "loss = 2*lip + lat" --rival "lip + 2*lat"

      zcat train.log.gz | lossaudit check - -f '`Total Loss` = sum(`* Loss`)'
    """
    with guarded():
        from lossaudit.cli import check as command

        command.run(
            logs,
            command.Declaration(spec, formula, rival or [], map_ or [], aggregate or [], dtype),
            command.Layout(reader, columns, pattern, not no_progress and not quiet),
            command.Output(format_, output, report or [], quiet),
            command.Policy(select or [], ignore or [], fail_on, allow_inconclusive),
        )


@app.command()
def presets() -> None:
    """List the losses and log writers that a spec comes with."""
    with guarded():
        from lossaudit.cli import lookups

        lookups.show_presets()


@app.command()
def readers() -> None:
    """List the log formats."""
    with guarded():
        from lossaudit.cli import lookups

        lookups.show_readers()


@app.command()
def checks() -> None:
    """List the checks; `explain NAME` tells more of each."""
    with guarded():
        from lossaudit.cli import lookups

        lookups.show_checks()


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="A check's or a preset's name.")],
) -> None:
    """Explain a check, or show a preset with its sources."""
    with guarded():
        from lossaudit.cli import lookups

        lookups.explain(name)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="lossaudit")
