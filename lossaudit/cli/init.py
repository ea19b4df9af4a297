"""The `init` command: a log, a formula or a preset becomes the first lines of a spec file."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TextIO

import typer
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.cli.auditing import Layout, Policy, audit_options, destinations_for
from lossaudit.cli.auditing import Output as Reports
from lossaudit.cli.identify import Asked, question_of
from lossaudit.cli.output import write_out
from lossaudit.cli.progress import show_progress
from lossaudit.errors import LossauditError, UsageError
from lossaudit.identifying import identify_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.identification import Identification
from lossaudit.model.result import ExitCode, Result
from lossaudit.rendering.numbers import render_interval
from lossaudit.rendering.safe_text import escape_text
from lossaudit.spec.hints import did_you_mean
from lossaudit.spec.load import load_spec, preset_names, spec_from_formula
from lossaudit.spec.overrides import override
from lossaudit.spec.schema import Spec
from lossaudit.spec.start import FALLBACK, Known, started_spec

_MOST_NOTES = 5


class Source(Struct, frozen=True):
    """What the spec is started from: exactly one of logs, a formula, a preset."""

    logs: list[str]
    formula: str | None
    rivals: list[str]
    preset: str | None


class Started(Struct, frozen=True):
    """What is written, and what is said of it.

    Attributes:
        text: of the file.
        summary: what is in it, in a line or two.
        undecided: whether the reader has to settle something.
        has_formula: whether the file can be used as it is.
        damaged: whether a part of the log could not be read.
    """

    text: str
    summary: str
    undecided: bool = False
    has_formula: bool = True
    damaged: bool = False


def run(source: Source, asked: Asked, layout: Layout, output: str) -> None:
    """Write a spec file that was not there before, and say what to do next."""
    _refuse(source, output)
    if source.preset is not None:
        started = _from_preset(source.preset)
    elif source.formula is not None:
        started = _from_formula(source.formula, source.rivals, asked, output)
    else:
        started = _from_logs(source.logs, asked, layout)
    _write_new(output, started)
    write_out(_next_steps(started, source, layout, output))
    raise typer.Exit(int(ExitCode.DAMAGED) if started.damaged else 0)


def _refuse(source: Source, output: str) -> None:
    """Everything that can be refused before a log is read."""
    given = [bool(source.logs), source.formula is not None, source.preset is not None]
    if sum(given) != 1:
        raise UsageError(
            "nothing to start from" if not any(given) else "more than one thing to start from",
            expected="a LOG, or --formula 'TOTAL = EXPRESSION', or --spec PRESET",
            hint="lossaudit init runs/1/log.jsonl",
        )
    if source.rivals and source.formula is None:
        raise UsageError("--rival needs --formula", hint="write the rivals into the file")
    if Path(output).suffix not in (".yaml", ".yml"):
        raise UsageError(f"--output {output!r}: a spec file's name ends in .yaml")
    if os.path.lexists(output):
        raise _exists(output)


def _exists(output: str) -> UsageError:
    return UsageError(
        f"{output!r} is there already, and was left as it is",
        hint="--output another.yaml, or move the old one away",
    )


def _from_preset(name: str) -> Started:
    if name not in preset_names():
        raise UsageError(
            f"no preset is called {name!r}",
            expected=", ".join(preset_names()),
            hint=did_you_mean(name, preset_names()),
        )
    spec = load_spec(name)
    header = f"# Started by `lossaudit init` from the preset {spec.name}: change what differs.\n"
    text = header + Path(spec.path).read_text("utf-8")
    return Started(text, f"formula: {spec.formula_text}")


def _from_formula(formula: str, rivals: list[str], asked: Asked, output: str) -> Started:
    spec = override(spec_from_formula(formula, rivals), [], asked.aggregates, asked.dtype)
    folder = Path(output).absolute().parent.name
    text = started_spec(folder, Known("a formula", spec))
    return Started(text, f"formula: {spec.formula_text}")


def _from_logs(logs: list[str], asked: Asked, layout: Layout) -> Started:
    policy = Policy([], [], "error", allow_inconclusive=False)
    destinations_for(logs, Reports("full", None, [], True), policy)
    with show_progress(layout.progress, logs) as progress:
        options = audit_options(layout, policy, progress)
        result, spec = identify_logs(question_of(asked), logs, options)
    found = next(
        (w.identification for w in result.witnesses if w.identification and w.identification.total),
        Identification(),
    )
    established = result.verdict is Verdict.PASS
    read = options.read
    known = replace(
        _known(logs, result, spec, found), pattern=read.pattern or "", columns=read.columns
    )
    text = started_spec(_name_of(logs[0]), known)
    shown = found.formula if spec is not None else "none found"
    state = "established" if established else "UNDECIDED"
    return Started(
        text,
        f"formula: {shown}\n{state}: {result.reason}",
        undecided=not established,
        has_formula=spec is not None,
        damaged=result.exit_code == ExitCode.DAMAGED,
    )


def _known(logs: list[str], result: Result, spec: Spec | None, found: Identification) -> Known:
    if result.verdict is Verdict.PASS:
        notes = [f"Established by the log: {result.reason}."]
    else:
        notes = [f"UNDECIDED: {result.reason}."]
    if spec is None:
        notes.append("Write the formula that you mean; until then this file is refused.")
        if found.formula:
            notes.append(f"Nearest to the log, and refuted by it: {found.formula}")
    for term, weight in list(found.weights.items())[:_MOST_NOTES] if spec is not None else ():
        interval = render_interval(weight.low, weight.high)
        told = "" if weight.settled else "; other plain numbers lie in it"
        notes.append(f"The weight of `{term}`: {interval}{told}.")
    for other in found.runners_up[:_MOST_NOTES]:
        notes.append(f"Also: {other.formula} ({other.reason})")
    left_out = [f"`{name}` ({why})" for name, why in found.left_out.items()]
    if left_out:
        notes.append(f"No candidates: {', '.join(left_out[:20])}.")
    undecided_total = [] if found.total else ["UNDECIDED: which column is the total?"]
    tags = () if spec is not None else _columns(result)
    named = f"the log {logs[0]}" if len(logs) == 1 else f"the logs {', '.join(logs)}"
    return Known(named, spec, found.total, notes, undecided_total, tags)


def _columns(result: Result) -> tuple[str, ...]:
    """The columns of the first log, where no formula names them."""
    return tuple(f"`{name}`" for name in list(result.witnesses[0].columns)[:20])


def _name_of(log: str) -> str:
    """The folder of a log says more than `log.jsonl`."""
    if log == "-":
        return FALLBACK
    path = Path(log).absolute()
    return path.parent.name or path.stem


def _write_new(output: str, started: Started) -> None:
    """Create the file, which must not be there, and read back what it claims to hold."""
    try:
        with open(output, "x", encoding="utf-8", newline="\n") as file:
            _fill(file, started.text, output)
    except FileExistsError:
        raise _exists(output) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"the spec cannot be written: {reason}", where=output) from None
    if not started.has_formula:
        return
    try:
        load_spec(str(Path(output).absolute()))
    except LossauditError as error:
        Path(output).unlink()
        raise UsageError(f"no spec file can hold this formula: {error}", where=output) from None


def _fill(file: TextIO, text: str, output: str) -> None:
    """Write all of it, or leave no file behind."""
    try:
        file.write(text)
        file.flush()
    except BaseException:
        Path(output).unlink()
        raise


def _next_steps(started: Started, source: Source, layout: Layout, output: str) -> str:
    shown = escape_text(shlex.quote(output))
    logs = " ".join(escape_text(shlex.quote(log)) for log in source.logs) or "LOG"
    if layout.reader is not None:  # what else it takes to read a log is in the spec
        logs += f" --reader {escape_text(shlex.quote(layout.reader))}"
    first = "settle what is UNDECIDED in it" if started.undecided else "read it"
    summary = "\n".join(escape_text(line) for line in started.summary.splitlines())
    steps = [
        f"{first}; name the rivals that it must be told from",
        f"lossaudit check {logs} --spec {shown}",
        "keep it beside the training code, and check every run with it",
    ]
    if not started.has_formula:
        steps[0] = f"write the formula into {shown}"
        steps.insert(1, "where the log lacks the terms, record them: docs/recorder.md")
    listed = "".join(f"  {k}. {step}\n" for k, step in enumerate(steps, start=1))
    return f"{shown} was written\n{summary}\n\nNext:\n{listed}"
