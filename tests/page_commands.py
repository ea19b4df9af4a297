"""The commands of a documentation page, run as a reader would run them.

A ```` ```console ```` block holds commands, each after `$ `, with what they print on standard
output. All commands of a page run in one shell, in order, in a folder of their own that has
`fixtures` in it: what one of them writes, a later one may read.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
_ENDED = "\x1e"
"""Printed after each command, with its exit status; no command prints it."""

_LEFT_OUT = ("NO_COLOR", "FORCE_COLOR", "CI", "COLUMNS", "CUDA_VISIBLE_DEVICES")


def commands_of(block: str) -> list[str]:
    """The commands of a block; a line that ends in a backslash goes on in the next."""
    found = list[str]()
    goes_on = False
    for line in block.splitlines():
        if goes_on:
            found[-1] += f"\n{line}"
        elif line.startswith("$ "):
            found.append(line[2:])
        goes_on = bool(found) and (goes_on or line.startswith("$ ")) and line.endswith("\\")
    return found


def as_printed(page: str, folder: Path) -> str:
    """The page with what its commands print now.

    Args:
        page: Markdown.
        folder: empty; the commands run in it.

    Raises:
        AssertionError: if a command does not end with a verdict's exit code.
    """
    blocks = [commands_of(block) for block in BLOCK.findall(page)]
    printed = iter(_run([command for block in blocks for command in block], folder))
    shown = iter(
        "".join(f"$ {command}\n{next(printed)}" for command in commands) for commands in blocks
    )
    return BLOCK.sub(lambda _: next(shown), page)


def _run(commands: list[str], folder: Path) -> list[str]:
    """What each command prints, in one shell."""
    (folder / "fixtures").symlink_to(ROOT / "fixtures")
    bin_ = folder / ".bin"
    bin_.mkdir()
    (bin_ / "lossaudit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lossaudit "$@"\n')
    (bin_ / "lossaudit").chmod(0o755)
    script = "".join(
        f"{command}\nstatus=$?; printf '{_ENDED}%d{_ENDED}' $status; (exit $status)\n"
        for command in commands
    )
    kept = {k: v for k, v in os.environ.items() if k not in _LEFT_OUT}
    path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-s"],
        input=script,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**kept, "PATH": path, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    parts = done.stdout.split(_ENDED)
    outputs, codes = parts[:-1:2], parts[1::2]
    assert len(outputs) == len(commands), done.stderr
    for command, code in zip(commands, codes, strict=True):
        assert code in ("0", "1", "3"), f"{command}: exit code {code}\n{done.stderr}"
    return outputs
