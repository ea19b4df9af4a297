"""`lossaudit recompute` and `lossaudit audit`: the two commands that replay steps."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from lossaudit.audit import audit, recompute
from lossaudit.cli.auditing import (
    Declaration,
    Layout,
    Output,
    Policy,
    audit_options,
    declared_spec,
    destinations_for,
    leave,
    refuse_inputs,
)
from lossaudit.cli.guard import complain
from lossaudit.cli.progress import show_work
from lossaudit.errors import InputError, UsageError
from lossaudit.replaying import Voices
from lossaudit.witnesses.replay.align import Alignment, align, align_one, steps_of_batches
from lossaudit.witnesses.replay.ranks import PATIENCE, launched_ranks
from lossaudit.witnesses.replay.request import Pair, Request
from lossaudit.witnesses.run_folder import SPEC_FILE, RunFolder, find_run, spec_in

ROUNDING = ("measured", "unmeasured")


class Asked(Struct, frozen=True):
    """Which steps to replay, and the logs of their run."""

    checkpoints: list[str]
    batches: list[str]
    logs: list[str]


class Model(Struct, frozen=True):
    """What runs the weights."""

    device: str
    adapter: str | None
    vae: str | None
    unet_config: str | None
    allow_pickle: bool
    rounding: str = "measured"
    rank_timeout: float | None = None

    def request(
        self,
        pairs: tuple[Pair, ...],
        source: str,
        others: tuple[str, ...],
        notes: tuple[tuple[str, str], ...] = (),
    ) -> Request:
        """The request for some pairs."""
        named = {"vae": self.vae, "unet_config": self.unet_config}
        parts = {part: path for part, path in named.items() if path is not None}
        if self.rounding not in ROUNDING:
            raise UsageError(
                f"the rounding cannot be {self.rounding!r}", expected=", ".join(ROUNDING)
            )
        return Request(
            *(pairs, source, parts, self.adapter, self.device, self.allow_pickle, others),
            measures_rounding=self.rounding == "measured",
            notes=notes,
        )

    def patience(self) -> timedelta:
        """How long the ranks wait for one another."""
        return PATIENCE if self.rank_timeout is None else timedelta(seconds=self.rank_timeout)


def run(
    asked: Asked,
    model: Model,
    declaration: Declaration,
    layout: Layout,
    output: Output,
    policy: Policy,
) -> None:
    """Recompute, report, and leave with the contract's exit code; of several ranks the first."""
    if declaration.spec is None and declaration.formula is None:
        declaration = with_spec(declaration, spec_beside(asked))
    inputs = [*asked.checkpoints, *asked.batches, *asked.logs]
    destinations = destinations_for(inputs, output, policy, declaration.spec)
    batches = [path for named in asked.batches for path in batches_in(named)]
    if not batches:
        raise UsageError(
            "no sample batch is named",
            expected="--batch FILE or --batch FOLDER, which lossaudit.recorder writes in training",
        )
    spec = declared_spec(declaration)
    alignment = aligned(asked, batches)
    others = tuple(siblings(asked.checkpoints))
    request = model.request(alignment.pairs, source_of(asked, batches), others, alignment.notes)
    with (
        launched_ranks(model.patience()) as ranks,
        show_work(layout.progress and ranks.is_first) as progress,
    ):
        voices = Voices(say, progress)
        options = audit_options(layout, policy)
        result = recompute(spec, request, asked.logs, options, ranks, voices)
        if not ranks.is_first:
            return
    leave(result, destinations, policy.write_baseline)


def run_audit(
    run_dir: str,
    model: Model,
    declaration: Declaration,
    layout: Layout,
    output: Output,
    policy: Policy,
) -> None:
    """Audit a run's folder, report, and leave with the contract's exit code."""
    if declaration.spec is None:
        declaration = with_spec(declaration, spec_in(run_dir))
    spec = declared_spec(declaration)
    destinations = destinations_for([run_dir], output, policy, declaration.spec)
    run = find_run(run_dir, model.allow_pickle, spec.pattern)
    refuse_inputs(destinations, policy, files_of(run))
    with show_work(layout.progress) as progress:
        options, voices = audit_options(layout, policy), Voices(say, progress)
        request = model.request((), run_dir, ())
        result = audit(run_dir, spec, options, request, voices)
    leave(result, destinations, policy.write_baseline)


def with_spec(declaration: Declaration, spec: str | None) -> Declaration:
    """The declaration with the spec of the run's folder."""
    from msgspec.structs import replace

    return replace(declaration, spec=spec)


def files_of(run: RunFolder) -> list[str]:
    """What an audit of a run's folder reads."""
    spec = [run.spec] if run.spec else []
    parts = [*run.checkpoints, *run.parts.values()]
    inner = [str(p) for part in parts if Path(part).is_dir() for p in Path(part).iterdir()]
    return [*spec, *run.logs, *run.batches, *run.environments, *parts, *inner]


def batches_in(named: str) -> list[str]:
    """A batch, or all batches of a folder in the order of their names.

    Raises:
        InputError: if a folder has none.
    """
    folder = Path(named)
    if not folder.is_dir():
        return [named]
    found = sorted(str(p) for p in folder.glob("*.safetensors") if p.is_file())
    if not found:
        raise InputError("has no *.safetensors", where=named, expected="sample batches")
    return found


def aligned(asked: Asked, batches: list[str]) -> Alignment:
    """Which weights go with which batch: by step, but a batch named with one checkpoint takes it.

    Raises:
        UsageError: if no batch of a folder belongs to the one checkpoint.
    """
    if not asked.checkpoints:
        return Alignment(tuple(Pair("", batch) for batch in batches), ())
    if len(asked.checkpoints) > 1:
        return align(asked.checkpoints, steps_of_batches(batches))
    named = [batch for batch in batches if batch in asked.batches]
    found = steps_of_batches([batch for batch in batches if batch not in asked.batches])
    return align_one(asked.checkpoints[0], named, found)


def spec_beside(asked: Asked) -> str | None:
    """The lossaudit.yaml of the run whose batches were named: in their folder or the one around it.

    Raises:
        UsageError: if there are several.
    """
    folders = [p if p.is_dir() else p.parent for p in map(Path, asked.batches)]
    around = dict.fromkeys(f for folder in folders for f in (folder, folder.parent))
    found = [str(f / SPEC_FILE) for f in around if (f / SPEC_FILE).is_file()]
    if len({Path(f).resolve() for f in found}) > 1:
        raise UsageError(
            f"the batches lie beside {len(found)} specs",
            expected=f"--spec with one of them: {', '.join(found[:5])}",
        )
    return found[0] if found else None


def siblings(checkpoints: list[str]) -> list[str]:
    """Checkpoints that lie beside those that were named, to be tried where these do not fit."""
    from lossaudit.witnesses.replay.step_names import step_of

    found = list(checkpoints)
    for folder in dict.fromkeys(Path(c).parent for c in checkpoints):
        if folder.is_dir():
            beside = sorted(folder.iterdir())[:1000]
            found += [str(p) for p in beside if p.is_dir() and step_of(p.name) is not None]
    return list(dict.fromkeys(found))


def source_of(asked: Asked, batches: list[str]) -> str:
    """What the replayed steps are called together."""
    if len(batches) == 1:
        return batches[0]
    if len(asked.batches) == 1:
        return asked.batches[0]
    return f"{len(batches)} batches of {Path(batches[0]).parent}"


def say(line: str) -> None:
    """A choice that was made, for the user, on standard error."""
    if sys.stderr is not None:
        complain(f"lossaudit: {line}")
