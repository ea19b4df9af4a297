"""What the tests of CI integration share: a checkout with two logs, and the command on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPEC = """\
name: mine
formula: 2*a + b
rivals: {exchanged: a + 2*b}
log: {total: [loss], terms: {a: [a], b: [b]}}
"""


def checkout(folder: Path) -> Path:
    """A repository with a spec, a log that follows it, and one that follows its rival."""
    for name, (x, y) in {"good": (2, 1), "bad": (1, 2)}.items():
        lines = ["step,loss,a,b"]
        for k in range(40):
            a, b = 1.0 + k % 5 / 4, 1.5 - k % 3 / 2
            lines.append(f"{k},{x * a + y * b},{a},{b}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (folder / "mine.loss.yaml").write_text(SPEC)
    (folder / "short.csv").write_text("step,loss,a\n0,1.5,1.0\n")
    subprocess.run(["git", "init", "-q", str(folder)], check=True, env=environment())
    return folder


def environment(**further: str) -> dict[str, str]:
    """The surroundings of a CI job, in which this checkout's command is the installed one."""
    hidden = ("GITHUB_", "GIT_", "LOSSAUDIT_", "PYTEST_", "COV_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), **further}
