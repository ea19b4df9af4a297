"""The options that several commands take, each said once."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit import registry
from lossaudit.cli import completion

FORMATS = ", ".join(registry.listed("lossaudit.reports"))

Logs = Annotated[
    list[str],
    typer.Argument(metavar="LOG...", help="Log files or event folders; - is standard input."),
]
SpecName = Annotated[
    str | None,
    typer.Option(
        "--spec",
        "-s",
        metavar="NAME_OR_PATH",
        help="A preset's name (see `presets`) or a spec file.",
        autocompletion=completion.specs,
    ),
]
Formula = Annotated[
    str | None,
    typer.Option(
        "--formula",
        "-f",
        metavar="FORMULA",
        help='Instead of a spec: "TOTAL = EXPRESSION" over tags.',
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="TERM=TAG", help="total=TAG or TERM=TAG. Repeatable."),
]
Aggregate = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TAG=KIND",
        help="KIND: step, last, mean:W, sum:K, median:W, trailing:W, ema:A. Repeatable.",
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        metavar="DTYPE",
        help="Of the sum in training: float32, bfloat16, ...",
        autocompletion=completion.dtypes,
    ),
]
ReaderName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The log's format; without it the content decides.",
        autocompletion=completion.readers,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Names for a table without a header: step,loss,a,b."),
]
Pattern = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="A regular expression whose named groups are tags."),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help=f"Of the report: {FORMATS}.",
        autocompletion=completion.formats,
    ),
]
OutputFile = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the report to this file instead."),
]
Reports = Annotated[
    list[str] | None,
    typer.Option("--report", metavar="FORMAT=FILE", help="A further report. Repeatable."),
]
FailOn = Annotated[
    str,
    typer.Option(
        metavar="SEVERITY",
        help="Least severity that gives exit code 1: error, warning or note.",
        autocompletion=completion.severities,
    ),
]
AllowInconclusive = Annotated[
    bool, typer.Option("--allow-inconclusive", help="INCONCLUSIVE gives exit code 0.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No report on standard output.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="In the full report, every witness in full, those that pass too."
    ),
]
NoProgress = Annotated[
    bool, typer.Option("--no-progress", help="No progress bar on standard error.")
]
Baseline = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Findings that are accepted: listed, without an exit code."),
]
WriteBaseline = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write the findings as a baseline; add the reasons."),
]
Rivals = Annotated[
    list[str] | None,
    typer.Option(
        "--rival",
        metavar="RIVAL",
        help='A formula that must be refuted: "[NAME=]EXPRESSION". Repeatable.',
    ),
]
Select = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CHECK",
        help="Run only this check; a FAIL keeps its reason. Repeatable.",
        autocompletion=completion.checks,
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CHECK", help="Leave this check out. Repeatable.", autocompletion=completion.checks
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="auto (CUDA where it is), cpu, cuda or cuda:N.",
        autocompletion=completion.devices,
    ),
]
AdapterName = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        metavar="NAME",
        help="The model: musetalk-v1, or your own package.module:function, which is run.",
        autocompletion=completion.adapters,
    ),
]
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Read pickled weights, in a process with limits.")
]
Rounding = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        help="Of a model's pass: measured by a second pass, or unmeasured: faster, without a bound "
        "on the terms, and without a verdict.",
    ),
]
Vae = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="The VAE that decodes and encodes images.")
]
UnetConfig = Annotated[
    str | None, typer.Option(metavar="FILE", help="The UNet's config.json or musetalk.json.")
]
OwnFormat = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help="full or json.",
        autocompletion=completion.own_formats,
    ),
]
Total = Annotated[
    str | None,
    typer.Option(metavar="TAG", help="The total; without it the tags' names decide."),
]
Without = Annotated[
    list[str] | None,
    typer.Option(metavar="TAG", help="A column, or a glob, that is no term. Repeatable."),
]
