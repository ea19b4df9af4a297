"""The commands. Nothing heavy is imported here: each command imports what it needs when it runs."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from lossaudit import __version__
from lossaudit.cli import completion, options
from lossaudit.cli.guard import guarded
from lossaudit.witnesses.parquet_process import start_early

app = typer.Typer(
    name="lossaudit",
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


@app.command()
def check(
    logs: options.Logs,
    spec: options.SpecName = None,
    formula: options.Formula = None,
    rival: options.Rivals = None,
    map_: options.Map = None,
    aggregate: options.Aggregate = None,
    dtype: options.Dtype = None,
    accumulation_steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Of the run: a total that is N times off is named."),
    ] = None,
    ranks: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Of the run, in the same way.")
    ] = None,
    reader: options.ReaderName = None,
    columns: options.Columns = None,
    pattern: options.Pattern = None,
    format_: options.Format = "full",
    output: options.OutputFile = None,
    report: options.Reports = None,
    select: options.Select = None,
    ignore: options.Ignore = None,
    fail_on: options.FailOn = "error",
    allow_inconclusive: options.AllowInconclusive = False,
    baseline: options.Baseline = None,
    write_baseline: options.WriteBaseline = None,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Does the logged total follow the declared formula, row by row, and not a rival?

    Examples:

      lossaudit check runs/1/log.jsonl --spec musetalk-v1

      lossaudit check log.csv -f "loss = 2*lip + lat" --rival "lip + 2*lat"

      zcat train.log.gz | lossaudit check - -f '`Total Loss` = sum(`* Loss`)'
    """
    with guarded():
        start_early(logs)
        from lossaudit.cli import check as command

        command.run(
            logs,
            command.Declaration(
                spec,
                formula,
                rival or [],
                map_ or [],
                aggregate or [],
                dtype,
                accumulation_steps,
                ranks,
            ),
            command.Layout(reader, columns, pattern, not no_progress and not quiet),
            command.Output(format_, output, report or [], quiet),
            command.Policy(
                select or [], ignore or [], fail_on, allow_inconclusive, baseline, write_baseline
            ),
        )


@app.command()
def recompute(
    checkpoints: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CHECKPOINT]...",
            help="Weights: one for all batches, or several, matched by step. "
            "Without any, the batches' own predictions are used.",
        ),
    ] = None,
    batch: Annotated[
        list[str] | None,
        typer.Option(
            "--batch", "-b", metavar="FILE", help="A sample batch, or a folder. Repeatable."
        ),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(metavar="LOG", help="A log of the run, whose totals count. Repeatable."),
    ] = None,
    spec: options.SpecName = None,
    formula: options.Formula = None,
    rival: options.Rivals = None,
    map_: options.Map = None,
    aggregate: options.Aggregate = None,
    dtype: options.Dtype = None,
    device: options.Device = "auto",
    adapter: options.AdapterName = None,
    vae: options.Vae = None,
    unet_config: options.UnetConfig = None,
    allow_pickle: options.AllowPickle = False,
    reader: options.ReaderName = None,
    format_: options.Format = "full",
    output: options.OutputFile = None,
    report: options.Reports = None,
    select: options.Select = None,
    ignore: options.Ignore = None,
    fail_on: options.FailOn = "error",
    allow_inconclusive: options.AllowInconclusive = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Recompute the terms of some steps from batches and weights: do they give the logged totals?

    Needs no terms in any log: the total alone is enough, in the batch or in a log. The spec says
    what each term is computed from. Under torchrun the batches are spread over the ranks.

    Examples:

      lossaudit recompute --batch runs/1/batches --spec musetalk-v1

      lossaudit recompute runs/1/checkpoint-300 -b runs/1/batches/step-000301.safetensors
      --spec musetalk-v1 --vae runs/1/vae --log runs/1/events
    """
    with guarded():
        from lossaudit.cli import recompute as command
        from lossaudit.cli.check import Declaration, Layout, Output, Policy

        command.run(
            command.Asked(checkpoints or [], batch or [], log or []),
            command.Model(device, adapter, vae, unet_config, allow_pickle),
            Declaration(spec, formula, rival or [], map_ or [], aggregate or [], dtype),
            Layout(reader, None, None, not no_progress and not quiet),
            Output(format_, output, report or [], quiet),
            Policy(select or [], ignore or [], fail_on, allow_inconclusive),
        )


@app.command()
def audit(
    run_dir: Annotated[str, typer.Argument(metavar="RUN_DIR", help="The folder of a run.")],
    spec: options.SpecName = None,
    rival: options.Rivals = None,
    map_: options.Map = None,
    aggregate: options.Aggregate = None,
    dtype: options.Dtype = None,
    device: options.Device = "auto",
    adapter: options.AdapterName = None,
    vae: options.Vae = None,
    unet_config: options.UnetConfig = None,
    allow_pickle: options.AllowPickle = False,
    format_: options.Format = "full",
    output: options.OutputFile = None,
    report: options.Reports = None,
    select: options.Select = None,
    ignore: options.Ignore = None,
    fail_on: options.FailOn = "error",
    allow_inconclusive: options.AllowInconclusive = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Audit a whole run: its logs, and the steps whose sample batches and weights were kept.

    Finds lossaudit.yaml (or takes --spec), logs, checkpoints and batches under the folder, matches
    batches with weights by their steps, and gives one verdict. What is found and not used is said.

    Example:

      lossaudit audit runs/1 --spec musetalk-v1
    """
    with guarded():
        from lossaudit.cli import recompute as command
        from lossaudit.cli.check import Declaration, Layout, Output, Policy

        command.run_audit(
            run_dir,
            command.Model(device, adapter, vae, unet_config, allow_pickle),
            Declaration(spec, None, rival or [], map_ or [], aggregate or [], dtype),
            Layout(None, None, None, not no_progress and not quiet),
            Output(format_, output, report or [], quiet),
            Policy(select or [], ignore or [], fail_on, allow_inconclusive),
        )


@app.command()
def balance(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="LOG...",
            help="Log files or event folders, or one JSON result of ours; - is standard input.",
        ),
    ],
    spec: options.SpecName = None,
    formula: options.Formula = None,
    map_: options.Map = None,
    aggregate: options.Aggregate = None,
    dtype: options.Dtype = None,
    reader: options.ReaderName = None,
    columns: options.Columns = None,
    pattern: options.Pattern = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TERM=W[,W...]", help="The shares if a term had these weights. Repeatable."
        ),
    ] = None,
    format_: options.Format = "full",
    output: options.OutputFile = None,
    report: options.Reports = None,
    fail_on: options.FailOn = "error",
    allow_inconclusive: options.AllowInconclusive = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Which term dominates the total, since when, and which weight would change it?

    A term above the spec's balance.max_share is a warning: --fail-on warning makes it exit code 1.
    A formula that the log refutes is a warning here too.

    Examples:

      lossaudit balance runs/1/log.jsonl --spec musetalk-v1

      lossaudit balance log.csv -f "loss = 2*lip + lat" --what-if lip=1.0,4.0

      lossaudit balance result.json
    """
    with guarded():
        from lossaudit.cli import balance as command
        from lossaudit.cli.check import Declaration, Layout, Output, Policy

        command.run(
            logs,
            Declaration(spec, formula, [], map_ or [], aggregate or [], dtype),
            Layout(reader, columns, pattern, not no_progress and not quiet),
            Output(format_, output, report or [], quiet),
            Policy([], [], fail_on, allow_inconclusive),
            what_if or [],
        )


@app.command()
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
        from lossaudit.cli.check import Layout, Output, Policy

        command.run(
            logs,
            command.Asked(total, without or [], aggregate or [], dtype, write_spec),
            Layout(reader, columns, pattern, not no_progress and not quiet),
            Output(format_, output, report or [], quiet),
            Policy([], [], fail_on, allow_inconclusive),
        )


@app.command()
def report(
    result: Annotated[
        str, typer.Argument(metavar="RESULT", help="A JSON result of ours; - is standard input.")
    ],
    format_: options.Format = "full",
    output: options.OutputFile = None,
    report: options.Reports = None,
    quiet: options.Quiet = False,
) -> None:
    """Render a stored result again, in any format; nothing is audited.

    The reports are byte for byte those of the command that wrote it, and so is the exit code.

    Examples:

      lossaudit report result.json --format markdown

      lossaudit report result.json --quiet --report sarif=a.sarif --report junit=a.xml
    """
    with guarded():
        from lossaudit.cli import report as command
        from lossaudit.cli.check import Output

        command.run(result, Output(format_, output, report or [], quiet))


@app.command()
def lint(
    specs: Annotated[
        list[str], typer.Argument(metavar="SPEC...", help="Spec files, or presets' names.")
    ],
) -> None:
    """Check spec files without any log: layout, formulas, rivals, names.

    Every problem is printed with its line and column; a sound spec gives one line with its formula.

    Example:

      lossaudit lint specs/*.yaml
    """
    with guarded():
        from lossaudit.cli import lint as command

        command.run(specs)


@app.command()
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
    """Audit the same inputs again: does a stored result still hold, and if not, what changed?

    Exit code 0: identical, or recomputed numbers within the stated bounds. 1: something differs.

    Example:

      lossaudit audit run --format json --output result.json; lossaudit verify result.json
    """
    with guarded():
        from lossaudit.cli import verify as command

        granted = {"adapter": trust_adapter, "allow_pickle": allow_pickle}
        trusted = {name for name, given in granted.items() if given}
        commands = typer.main.get_command(app)
        known = getattr(commands, "commands", {})
        command.run(result, root, trusted, device, format_, output, known)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A result that --format json wrote.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    format_: options.OwnFormat = "full",
    output: options.OutputFile = None,
) -> None:
    """Do two runs optimise the same loss? Their certified weights are compared, and the shares.

    Exit code 0: the same. 1: some weight fits no row of the other run. 3: it cannot be told.

    Example:

      lossaudit diff original.json reproduction.json
    """
    with guarded():
        from lossaudit.cli import diff as command

        command.run(first, second, format_, output)


@app.command()
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
    """Start a spec: write a commented lossaudit.yaml from a log, a formula or a preset.

    From a log it takes what `identify` finds. What the log does not establish is marked UNDECIDED.

    Examples:

      lossaudit init runs/1/log.jsonl

      lossaudit init -f "loss = 2*lip + lat" --rival "figure=lip + 2*lat"

      lossaudit init --spec musetalk-v1
    """
    with guarded():
        from lossaudit.cli import init as command
        from lossaudit.cli.check import Layout
        from lossaudit.cli.identify import Asked

        command.run(
            command.Source(logs or [], formula, rival or [], spec),
            Asked(total, without or [], aggregate or [], dtype, None),
            Layout(reader, columns, pattern, not no_progress),
            output,
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
    name: Annotated[
        str,
        typer.Argument(
            help="Of a check, a preset, a log format or a report format.",
            autocompletion=completion.everything_explained,
        ),
    ],
) -> None:
    """Explain a check, a log format or a report format, or show a preset with its sources."""
    with guarded():
        from lossaudit.cli import lookups

        lookups.explain(name)


def main() -> None:
    """Entry point of the console script."""
    try:
        app(prog_name="lossaudit")
    finally:
        gc.freeze()  # spares the exit a search for cycles in every module that was loaded
