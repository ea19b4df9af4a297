"""What a result says of how it came about, taken from the command that is running."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lossaudit.model.reproduction import Input, Reproduction
from lossaudit.model.result import Result
from lossaudit.spec.load import preset_names, spec_path

NOT_REPEATED = {"format_", "output", "report", "quiet", "verbose", "no_progress", "force"} | {
    "write_spec",
    "write_baseline",
    "rank_timeout",
}
"""Options that decide where something goes or how long it may take, not what it says."""

MOST_TEXT = 1 << 20
"""Bytes of a spec file, or of git's files, that are looked at."""

_LIBRARIES = ("numpy", "polars", "torch", "diffusers", "safetensors")


def with_reproduction(result: Result) -> Result:
    """The result with its command, inputs and environment; a stored result keeps its own."""
    context = _context()
    if context is None or result.reproduction is not None:
        return result
    arguments = tuple(_arguments(context))
    made = Reproduction(
        (context.info_name, *arguments),
        tuple(_inputs(context, result)),
        _spec_text(context, result),
    )
    return replace(result, reproduction=made, environment=_environment(result))


def _context() -> Any:
    """click's context of the running command; typer has a click of its own since 0.16."""
    known = (sys.modules.get(name) for name in ("typer._click.globals", "click.globals"))
    module = next((m for m in known if m is not None), None)
    return None if module is None else module.get_current_context(silent=True)


def _arguments(context: Any) -> Iterator[str]:
    """The command line of a command again, in the order in which the command declares it."""
    positional: list[str] = []
    for parameter in context.command.params:
        name = str(parameter.name)
        given = context.params.get(name)
        is_default = context.get_parameter_source(name).name == "DEFAULT"
        if name in NOT_REPEATED or given is None or is_default:
            continue
        values = [str(v) for v in given] if isinstance(given, list | tuple) else [str(given)]
        if parameter.param_type_name == "argument":
            positional += values
        elif parameter.is_flag:
            yield parameter.opts[0] if given else parameter.secondary_opts[0]
        else:
            yield from (f"{parameter.opts[0]}={value}" for value in values)
    if positional:
        yield from ("--", *positional)


def _inputs(context: Any, result: Result) -> Iterator[Input]:
    """Every file that was read, once; a log's folder counts as one, a preset as none.

    The config files that hold weights of the spec are inputs as well, and so is the baseline.
    """
    found = {w.source: w.sha256 for w in result.witnesses if w.sha256}
    found |= {i.path: i.sha256 for i in result.further_inputs}
    for witness in result.witnesses:
        for replay in witness.replays:
            found |= {file.path: file.sha256 for file in replay.files}
    named = _named_spec(context, result)
    read = []
    if named is not None and named not in preset_names():
        from lossaudit.spec.config_weights import config_files

        read = [named, *map(str, config_files(Path(named)))]
    if isinstance(baseline := context.params.get("baseline"), str):
        read.append(baseline)
    found |= {path: hashlib.sha256(_head(Path(path))).hexdigest() for path in read}
    yield from (Input(path, digest) for path, digest in found.items())


def _spec_text(context: Any, result: Result) -> str:
    """The text of the spec's file; a preset's is kept too, since another version may change it."""
    named = _named_spec(context, result)
    path = spec_path(named) if named is not None else None
    return "" if path is None else _text(path)


def _named_spec(context: Any, result: Result) -> str | None:
    """The spec as the user named it, or the file that was found in the run's folder."""
    named = context.params.get("spec")
    if isinstance(named, str):
        return named
    return None if result.spec.location is None else result.spec.location.path


def _environment(result: Result) -> Mapping[str, str]:
    """Versions of what was used, and the commit of the repository that holds the first input."""
    found = dict(result.environment)
    found["platform"] = f"{platform.system()} {platform.machine()}"
    for name in _LIBRARIES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if version is not None:
            found[name] = str(version)
    sources = [w.source for w in result.witnesses if w.source != "-"]
    commit = _commit(Path(sources[0])) if sources else ""
    return found | ({"git_commit": commit} if commit else {})


def _commit(inside: Path) -> str:
    """HEAD of the repository around a path, read without running git, or ""."""
    try:
        folder = next((p for p in inside.resolve().parents if (p / ".git").exists()), None)
    except OSError:
        return ""
    if folder is None:
        return ""
    git = folder / ".git"
    if git.is_file():  # a worktree or a submodule names the place
        git = folder / _text(git).removeprefix("gitdir:").strip()
    head = _text(git / "HEAD").strip()
    if not head.startswith("ref:"):
        return _hexadecimal(head)
    name = head.removeprefix("ref:").strip()
    shared = _text(git / "commondir").strip()
    for place in (git, git / shared):
        if commit := _hexadecimal(_text(place / name).strip()):
            return commit
        lines = _text(place / "packed-refs").splitlines()
        packed = next((line for line in lines if line.endswith(f" {name}")), "")
        if commit := _hexadecimal(packed.partition(" ")[0]):
            return commit
    return ""


def _hexadecimal(text: str) -> str:
    return text if len(text) in (40, 64) and not text.strip("0123456789abcdef") else ""


def _text(path: Path) -> str:
    return _head(path).decode("utf-8", "replace")


def _head(path: Path) -> bytes:
    """The first megabyte of a plain file, or nothing where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            return file.read(MOST_TEXT)
    except (OSError, ValueError):
        return b""
