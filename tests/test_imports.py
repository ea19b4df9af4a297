"""A log audit starts fast: it never imports torch, nor anything heavy that it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lossaudit.errors import UsageError

ROOT = Path(__file__).parent.parent
LOG = ROOT / "fixtures" / "musetalk-tiny" / "runs" / "main"

AUDIT = """
import sys
{before}
from lossaudit.cli.main import app
try:
    app(["check", {log!r}, *{spec!r}, "--format", {form!r}], standalone_mode=False)
except SystemExit:
    pass
loaded = [m for m in {heavy!r} if m in sys.modules]
print("HEAVY", *loaded, file=sys.stderr)
"""

PRESET = ("--spec", "musetalk-v1")
FORMULA = ("--formula", "loss = 2*loss_lip + loss_latents")

HEAVY = (
    "torch",
    "tensorboard",
    "diffusers",
    "scipy",
    "pandas",
    "pydantic_core",
    "polars",
    "arro3",
    "yaml",
)


def heavy_modules(
    log: str, form: str, before: str = "", spec: tuple[str, ...] = PRESET
) -> list[str]:
    """Which heavy modules one whole audit has imported, in a process of its own."""
    code = AUDIT.format(before=before, log=str(LOG / log), form=form, heavy=HEAVY, spec=spec)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "PASS" in done.stdout
    line = next(x for x in done.stderr.splitlines() if x.startswith("HEAVY"))
    return line.split()[1:]


@pytest.mark.parametrize("log", ["log.jsonl", "log.csv", "log.txt", "events"])
@pytest.mark.parametrize("form", ["full", "concise", "json"])
def test_log_audit_never_imports_torch(log: str, form: str) -> None:
    assert "torch" not in heavy_modules(log, form)


def test_log_audit_imports_nothing_heavy_of_its_own() -> None:
    code = (  # typer itself may import pydantic_core when it runs; that is not ours to mend
        "import sys, typer\napp = typer.Typer()\n@app.command()\ndef f(x: str = 'a'): pass\n"
        "app([], standalone_mode=False)\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    by_typer = set(done.stdout.split())
    assert not set(heavy_modules("log.jsonl", "full", spec=FORMULA)) - by_typer


def test_the_import_test_can_fail() -> None:
    assert "torch" in heavy_modules("log.jsonl", "concise", before="import torch")
    assert "yaml" in heavy_modules("log.jsonl", "concise")


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, lossaudit.cli.main; print('numpy' in sys.modules, 'yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_public_names_are_there_and_no_others() -> None:
    import lossaudit
    from lossaudit.audit import check_logs
    from lossaudit.balancing import balance_logs

    assert lossaudit.check_logs is check_logs
    assert lossaudit.recompute is sys.modules["lossaudit.audit"].recompute
    for _ in range(2):  # the function at first, and the module that is called like it afterwards
        with pytest.raises(UsageError, match="is no folder"):
            lossaudit.audit("no/such/run", "musetalk-v1")
    assert lossaudit.balance_logs is balance_logs
    assert lossaudit.load_spec("musetalk-v1").name == "musetalk-v1"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lossaudit.nothing
