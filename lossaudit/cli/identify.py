"""The `identify` command: logs become a formula, reports, and perhaps a spec file."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lossaudit.cli.auditing import Layout, Output, Policy, audit_options, destinations_for, leave
from lossaudit.cli.guard import complain
from lossaudit.cli.output import would_replace
from lossaudit.cli.progress import show_progress
from lossaudit.closure.identify.columns import Question
from lossaudit.errors import UsageError
from lossaudit.identifying import identify_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.aggregate import parse_aggregate
from lossaudit.spec.write import write_spec

UNDECIDED = "undecided: other formulas may fit the log as well"


class Asked(Struct, frozen=True):
    """What the user says of the formula that is sought."""

    total: str | None
    without: list[str]
    aggregates: list[str]
    dtype: str | None
    spec_file: str | None


def run(logs: list[str], asked: Asked, layout: Layout, output: Output, policy: Policy) -> None:
    """Identify, write the spec if one was found, report, and leave with the exit code."""
    destinations = destinations_for(logs, output, policy)
    question = question_of(asked)
    _refuse_spec_file(asked.spec_file, logs)
    with show_progress(layout.progress, logs) as progress:
        options = audit_options(layout, policy, progress)
        result, spec = identify_logs(question, logs, options)
    if asked.spec_file is not None and spec is None:
        complain(f"{asked.spec_file} was not written: no formula holds on every row")
    elif asked.spec_file is not None and spec is not None:
        open_, read = result.verdict is Verdict.INCONCLUSIVE, options.read
        spec = replace(spec, pattern=read.pattern or "", columns=read.columns)
        write_spec(spec, asked.spec_file, [f"{UNDECIDED}: {result.reason}"] if open_ else [])
        complain(f"{asked.spec_file} was written" + (f"; {UNDECIDED}" if open_ else ""))
    for glob in _without_effect(asked.without, result):
        complain(f"--without {glob!r} matches no column beside the total")
    leave(result, destinations)


def _without_effect(globs: list[str], result: Result) -> list[str]:
    """The globs that left nothing out; none where no total was found to look beside."""
    found = [w.identification for w in result.witnesses if w.identification is not None]
    if any(not f.total for f in found):
        return []
    left_out = [tag for f in found for tag in f.left_out]
    return [g for g in globs if not any(fnmatchcase(tag, g) for tag in left_out)]


def question_of(asked: Asked) -> Question:
    """What the options say of the formula; refused before anything is read."""
    if asked.dtype is not None and asked.dtype not in FORMATS:
        raise UsageError(f"--dtype: {asked.dtype!r} is no dtype", expected=", ".join(FORMATS))
    aggregates = {}
    for text in asked.aggregates:
        tag, equals, kind = text.rpartition("=")
        if not equals or not tag:
            raise UsageError(f"--aggregate {text!r} is not of the form TAG=KIND")
        parse_aggregate(kind)
        aggregates[tag.strip().strip("`")] = kind
    total = asked.total.strip("`") if asked.total is not None else None
    return Question(total, tuple(asked.without), asked.dtype or "float32", aggregates)


def _refuse_spec_file(path: str | None, logs: list[str]) -> None:
    """Refuse, before anything is read, a spec file that could not be written or loaded."""
    if path is None:
        return
    if Path(path).suffix not in (".yaml", ".yml"):
        raise UsageError(f"--write-spec {path!r}: a spec file's name ends in .yaml")
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"the folder of {path!r} does not exist")
    if would_replace(path, logs):
        raise UsageError(f"the spec {path!r} would replace the log that it is about")
    if os.path.lexists(path):
        raise UsageError(
            f"{path!r} exists, and a spec that others check against is not replaced",
            hint="name another file, or remove this one first",
        )
