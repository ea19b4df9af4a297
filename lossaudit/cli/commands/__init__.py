"""The commands, one file each, in which the function of the same name holds the options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import typer

IN_HELP = (
    *("check", "recompute", "audit", "balance", "identify", "report", "lint"),
    *("verify", "diff", "init", "presets", "readers", "checks", "explain"),
)
"""The names of the files, in the order in which `lossaudit --help` lists them."""


class Commands(Mapping[str, Any]):
    """typer's commands by their names, each imported and built when it is first asked for."""

    def __getitem__(self, name: str) -> Any:
        if name not in IN_HELP:
            raise KeyError(name)
        return _built(name)

    def __iter__(self) -> Iterator[str]:
        return iter(IN_HELP)

    def __len__(self) -> int:
        return len(IN_HELP)


def function_of(name: str) -> Callable[..., None]:
    """The function of a command's file."""
    function: Callable[..., None] = getattr(import_module(f"{__name__}.{name}"), name)
    return function


@cache
def _built(name: str) -> Any:
    """The command as typer knows it, its options looked at."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command()(function_of(name))
    return typer.main.get_command(alone)
