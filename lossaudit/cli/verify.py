"""The `verify` command: a stored result's audit is made again, and what differs is said."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from msgspec.structs import asdict

from lossaudit.cli.commands import Commands
from lossaudit.cli.guard import complain
from lossaudit.cli.output import deliver_text, page_of_output, refuse_to_replace
from lossaudit.cli.reproduction import NOT_REPEATED
from lossaudit.errors import InputError, UsageError
from lossaudit.model.difference import Difference
from lossaudit.model.json_values import encode_value
from lossaudit.model.report import Page
from lossaudit.model.reproduction import Reproduction
from lossaudit.model.result import ExitCode, Result
from lossaudit.rendering.verification import render_verification
from lossaudit.verifying import compare
from lossaudit.witnesses.stored_result import read_result

REPEATABLE = ("check", "balance", "identify", "recompute", "audit", "source")
TRUSTED = {"adapter": "--trust-adapter", "allow_pickle": "--allow-pickle"}
"""Parameters that run code or open pickles: a stored file may not ask for them by itself."""


def run(
    path: str,
    root: str | None,
    trusted: set[str],
    device: str | None,
    format_name: str,
    output: str | None,
) -> None:
    """Repeat, compare, report; exit code 0 where nothing contradicts the stored result, else 1.

    Args:
        path: a result written by `--format json`.
        root: the folder that the result's paths are relative to; None looks for it.
        trusted: the parameters of `TRUSTED` that the user grants.
        device: where to recompute instead of the stored device.
        format_name: full or json.
        output: a file, or None for standard output.

    Raises:
        UsageError: if the result does not say how it was made, or asks for what was not granted.
        InputError: if the result or one of its inputs cannot be read.
    """
    if format_name not in ("full", "json"):
        raise UsageError(f"verify has no format {format_name!r}", expected="full, json")
    stored = read_result(path)
    made = _reproduction(stored, path)
    arguments = safe_arguments(made.command, Commands(), trusted)
    if device is not None:
        arguments.insert(1, f"--device={device}")
    folder = Path(root) if root is not None else find_root(made, Path(path))
    refuse_to_replace(output, [path, *(str(folder / i.path) for i in made.inputs)])
    repeated = repeat(arguments, folder)
    differences = compare(stored, repeated)
    page = Page() if output is not None else page_of_output()
    command = ("lossaudit", *made.command)
    text = (
        render_json(differences)
        if format_name == "json"
        else render_verification(stored, command, differences, page)
    )
    deliver_text(text, output)
    contradicted = any(d.contradicts for d in differences)
    raise typer.Exit(int(ExitCode.FINDING if contradicted else ExitCode.PASS))


def _reproduction(stored: Result, path: str) -> Reproduction:
    made = stored.reproduction
    if made is None or not made.command:
        raise UsageError(
            f"{path!r} does not say how it was made",
            expected="a result that a command of this version wrote with --format json",
        )
    if any(i.path == "-" for i in made.inputs):
        raise UsageError(f"{path!r} was made from standard input, which is gone")
    return made


def safe_arguments(
    command: Sequence[str], commands: Mapping[str, Any], trusted: set[str]
) -> list[str]:
    """The stored command line, if it asks for nothing but reading.

    Raises:
        UsageError: for another command, an option that writes, or one that needs trust.
    """
    name, *arguments = command
    if name not in REPEATABLE or name not in commands:
        raise UsageError(f"the result's command {name!r} is none that can be repeated")
    known = {o: p.name for p in commands[name].params for o in (*p.opts, *p.secondary_opts)}
    end = arguments.index("--") if "--" in arguments else len(arguments)
    for argument in arguments[:end]:
        option = argument.partition("=")[0]
        parameter = known.get(option)
        if not option.startswith("--") or parameter is None or parameter in NOT_REPEATED:
            raise UsageError(
                f"the result's command has the argument {argument!r}, which is refused"
            )
        if parameter in TRUSTED and parameter not in trusted:
            raise UsageError(
                f"the result was made with {argument!r}, which may run code from elsewhere",
                hint=f"if you trust it, repeat with {TRUSTED[parameter]}",
            )
    return [name, *arguments]


def find_root(made: Reproduction, path: Path) -> Path:
    """The folder in which all inputs are found: this one, or one around the result.

    Raises:
        InputError: if some input is in none of them, with what is missing here.
    """
    here = Path.cwd()
    for folder in (here, *path.resolve().parents):
        if all((folder / i.path).exists() for i in made.inputs):
            return folder
    missing = [i.path for i in made.inputs if not (here / i.path).exists()]
    raise InputError(
        f"{len(missing)} of {len(made.inputs)} inputs are not here: {', '.join(missing[:5])}",
        where=str(path),
        hint="name the folder that the paths are relative to with --root",
    )


def repeat(arguments: Sequence[str], folder: Path) -> Result:
    """Run the command in a process of its own and read its result back.

    `-P` keeps the folder off the module path: it is audited, and may hold a lossaudit of its own.

    Raises:
        InputError: if it wrote none, with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="lossaudit-") as temporary:
        target = Path(temporary) / "repeated.json"
        ran = subprocess.run(
            [
                sys.executable,
                *("-P", "-m", "lossaudit", arguments[0], "--quiet", "--no-progress"),
                f"--report=json={target}",
                *arguments[1:],
            ],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if not target.is_file():
            raise InputError(f"the audit could not be repeated: {ran.stderr.strip()[-2000:]}")
        if ran.stderr.strip():
            complain(ran.stderr.strip())
        return read_result(str(target))


def render_json(differences: Sequence[Difference]) -> str:
    """`holds`, and every difference."""
    found = [encode_value(asdict(d) | {"kind": d.kind.value}) for d in differences]
    same = not any(d.contradicts for d in differences)
    document = {"schema": "lossaudit-verify/1", "holds": same, "differences": found}
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"
