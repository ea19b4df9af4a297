"""One file for each command, imported when it is called or its help is asked for."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pkgutil import iter_modules

import pytest

from lossaudit.cli import commands
from lossaudit.cli.commands import IN_HELP, Commands

HEAVY = ("numpy", "rich", "yaml", "torch", "polars", "lossaudit.audit", "lossaudit.spec.load")


def imported(*args: str) -> list[str]:
    """The commands and the heavy modules that a call has imported."""
    code = (
        "import sys\nfrom lossaudit.cli.main import app\n"
        f"try: app({list(args)!r}, prog_name='lossaudit')\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return sorted(_told(done.stderr.split()))


def _told(modules: list[str]) -> Iterator[str]:
    for module in modules:
        if module.startswith(f"{commands.__name__}."):
            yield module.rpartition(".")[2]
        elif module in HEAVY:
            yield module


def test_every_file_is_a_command_in_the_help() -> None:
    assert sorted(IN_HELP) == sorted(info.name for info in iter_modules(commands.__path__))


@pytest.mark.parametrize("name", IN_HELP)
def test_the_function_of_a_file_is_its_command(name: str) -> None:
    command = Commands()[name]
    function = inspect.unwrap(command.callback)
    assert (function.__name__, function.__module__) == (name, f"{commands.__name__}.{name}")
    assert command.name == name


def test_there_are_no_other_commands() -> None:
    assert Commands().get("chek") is None


def test_the_version_imports_no_command() -> None:
    assert imported("--version") == []


def test_the_help_imports_commands_and_nothing_heavy() -> None:
    assert imported("--help") == sorted(IN_HELP)


@pytest.mark.parametrize("name", IN_HELP)
def test_the_help_of_a_command_imports_that_command_alone(name: str) -> None:
    assert imported(name, "--help") == [name]


def test_a_call_imports_what_it_needs() -> None:
    assert {"checks", "numpy"} <= set(imported("checks"))


def test_the_help_cuts_no_command_short() -> None:
    command = [sys.executable, "-m", "lossaudit", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    listed = done.stdout.partition("Commands:\n")[2].splitlines()
    assert len(listed) == len(IN_HELP)
    assert not [line for line in listed if line.endswith("...")]
