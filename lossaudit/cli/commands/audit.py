"""What can be typed after `lossaudit audit`."""

from __future__ import annotations

from typing import Annotated

import typer

from lossaudit.cli import options
from lossaudit.cli.guard import guarded


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
    baseline: options.Baseline = None,
    write_baseline: options.WriteBaseline = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Audit a whole run: its logs, and every step that was kept.

    A step is kept as a sample batch, and replayed with weights where they are there.

    Finds lossaudit.yaml (or takes --spec), logs, checkpoints and batches under the folder, matches
    batches with weights by their steps, and gives one verdict. What is found and not used is said.

    Example:

      lossaudit audit runs/1 --spec musetalk-v1
    """
    with guarded():
        from lossaudit.cli import recompute as command
        from lossaudit.cli.auditing import Declaration, Layout, Output, Policy

        command.run_audit(
            run_dir,
            command.Model(device, adapter, vae, unet_config, allow_pickle),
            Declaration(spec, None, rival or [], map_ or [], aggregate or [], dtype),
            Layout(None, None, None, not no_progress and not quiet),
            Output(format_, output, report or [], quiet, verbose),
            Policy(
                select or [], ignore or [], fail_on, allow_inconclusive, baseline, write_baseline
            ),
        )
