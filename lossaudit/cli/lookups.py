"""`presets`, `readers`, `checks` and `explain`: what there is, in words."""

from __future__ import annotations

from pathlib import Path

import typer

from lossaudit import registry
from lossaudit.closure.check import Check, manual
from lossaudit.errors import UsageError
from lossaudit.spec.hints import did_you_mean
from lossaudit.spec.load import load_spec, preset_names
from lossaudit.spec.load import presets as load_presets
from lossaudit.witnesses.log import readers


def show_presets() -> None:
    """One line for each preset."""
    _table([(name, spec.summary) for name, spec in load_presets().items()])


def show_readers() -> None:
    """One line for each reader."""
    _table([(name, reader.summary) for name, reader in readers().items()])


def show_checks() -> None:
    """One line for each check."""
    known = registry.load("lossaudit.checks", Check)
    _table([(name, f"{c.severity.value}: {c.summary}") for name, c in known.items()])


def explain(name: str) -> None:
    """A check's manual page, or a preset's file.

    Raises:
        UsageError: if neither has that name.
    """
    known = registry.load("lossaudit.checks", Check)
    if name in known:
        typer.echo(f"{name}: {manual(known[name])}")
    elif name in preset_names():
        typer.echo(Path(load_spec(name).path).read_text("utf-8").rstrip())
    else:
        everything = [*known, *preset_names()]
        raise UsageError(
            f"nothing is called {name!r}",
            expected="a name that `lossaudit checks` or `lossaudit presets` lists",
            hint=did_you_mean(name, everything),
        )


def _table(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, summary in rows:
        typer.echo(f"{name.ljust(width)}  {summary}")
