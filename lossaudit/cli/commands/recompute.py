"""What can be typed after `lossaudit recompute`."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit.cli import options
from lossaudit.cli.guard import guarded


def recompute(
    checkpoints: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CHECKPOINT]...",
            help="Weights, matched with the batches by step; one goes with any batch that is named "
            "as a file. Without any, the batches' own predictions are used.",
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
    rounding: options.Rounding = "measured",
    rank_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            max=604_800,
            help="Under torchrun: how long ranks wait for the slowest; 7,200 without.",
        ),
    ] = None,
    reader: options.ReaderName = None,
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
    """Recompute the terms of some steps from batches and weights.

    Do they give the logged totals? Needs no terms in any log: the total alone is enough, in the
    batch or in a log. The spec says what each term is computed from; without --spec it is the run's
    lossaudit.yaml beside the batches. Under torchrun the batches are spread over the ranks.

    Examples:

      lossaudit recompute --batch runs/1/batches --spec musetalk-v1

      lossaudit recompute runs/1/checkpoint-300 -b runs/1/batches/step-000301.safetensors
      --spec musetalk-v1 --vae runs/1/vae --log runs/1/events
    """
    with guarded():
        from lossaudit.cli import recompute as command
        from lossaudit.cli.auditing import Declaration, Layout, Output, Policy

        command.run(
            command.Asked(checkpoints or [], batch or [], log or []),
            command.Model(device, adapter, vae, unet_config, allow_pickle, rounding, rank_timeout),
            Declaration(spec, formula, rival or [], map_ or [], aggregate or [], dtype),
            Layout(reader, None, None, not no_progress and not quiet),
            Output(format_, output, report or [], quiet),
            Policy(
                select or [], ignore or [], fail_on, allow_inconclusive, baseline, write_baseline
            ),
        )
