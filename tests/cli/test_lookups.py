"""`explain` and the lists, as a reader at a terminal of any width sees them."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest
from test_check_command import ROOT, lossaudit

from lossaudit import registry
from lossaudit.cli.lookups import explain
from lossaudit.closure.check import Check
from lossaudit.model.report import Page
from lossaudit.rendering.manual_page import render_list, render_manual
from lossaudit.spec.load import preset_names
from lossaudit.witnesses.log import readers

CHECKS = sorted(registry.load("lossaudit.checks", Check))
REPORTS = registry.listed("lossaudit.reports")
EVERYTHING = sorted({*CHECKS, *preset_names(), *readers(), *REPORTS})

TEXT = """One long line of a summary that goes on and on, until it has to be wrapped somewhere.

**What it checks**
A paragraph that was broken
elsewhere is filled anew.

    an example stays   as it is

- an item that is long enough to be wrapped
- https://example.org/an/address/that/is/much/longer/than/the/page
"""


def in_terminal(columns: int, *args: str, **env: str) -> str:
    """Standard output of a command that runs in a real terminal."""
    parent, child = pty.openpty()
    size = ["stty", "cols", str(columns), "rows", "50"]
    subprocess.run(size, stdin=child, check=True)
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "CI")}
    with subprocess.Popen(
        [sys.executable, "-m", "lossaudit", *args],
        stdin=child,
        stdout=child,
        cwd=ROOT,
        env={**kept, "TERM": "xterm", **env},
    ) as process:
        os.close(child)
        found = bytearray()
        try:
            while part := os.read(parent, 65536):
                found += part
        except OSError:  # the other side is gone
            pass
    os.close(parent)
    assert process.returncode in (0, 1, 3)
    return found.decode().replace("\r\n", "\n")


def test_page_is_filled_to_its_width() -> None:
    assert render_manual("name: a check", TEXT, Page(40)) == (
        "name: a check\n"
        "\n"
        "  One long line of a summary that goes\n"
        "  on and on, until it has to be wrapped\n"
        "  somewhere.\n"
        "\n"
        "What it checks\n"
        "  A paragraph that was broken elsewhere\n"
        "  is filled anew.\n"
        "\n"
        "    an example stays   as it is\n"
        "\n"
        "  - an item that is long enough to be\n"
        "    wrapped\n"
        "  - https://example.org/an/address/that/is/much/longer/than/the/page\n"
    )


def test_list_wraps_summaries_beside_names() -> None:
    rows = [("a", "short"), ("name", "a summary that does not fit into one line of 40")]
    assert render_list(rows, Page(40)) == (
        "a     short\nname  a summary that does not fit into\n      one line of 40\n"
    )


@pytest.mark.parametrize("name", EVERYTHING)
def test_everything_that_has_a_name_is_explained(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    explain(name)
    shown = capsys.readouterr().out
    assert shown.startswith(f"{name}: a ")
    kinds = {"check": CHECKS, "preset": preset_names(), "log format": readers()}
    for kind, names in {**kinds, "report format": REPORTS}.items():
        assert (f"{name}: a {kind}" in shown) == (name in names)
    assert not re.search(r"\*\*\w+ ?\w*\*\*", shown)


def test_preset_says_what_its_file_says() -> None:
    page = " ".join(lossaudit("explain", "musetalk-v1").stdout.split())
    assert "Formula 2.0*loss_lip + loss_latents" in page
    assert "diagram: loss_lip + 2.0*loss_latents" in page
    assert "The figure puts lambda on the latents, the code on the pixels" in page
    assert "loss_lip: l1 of image_pred_img against image, reduction mean, region lower_half" in page
    assert "lossaudit init --spec musetalk-v1" in page


def test_unknown_name_is_met_with_the_nearest() -> None:
    done = lossaudit("explain", "rival-formla")
    assert done.returncode == 2
    assert "rival-formula" in done.stderr


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("args", [("explain", "wrong-region"), ("presets",), ("checks",)])
def test_no_line_is_wider_than_the_terminal(columns: int, args: tuple[str, ...]) -> None:
    shown = in_terminal(columns, *args)
    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(map(len, plain.splitlines())) <= columns
    assert "\x1b" not in in_terminal(columns, *args, NO_COLOR="1")


def test_pipe_gets_no_colour() -> None:
    assert "\x1b" not in lossaudit("explain", "wrong-region").stdout


def test_sections_are_all_there() -> None:
    shown = lossaudit("explain", "wrong-region").stdout
    heads = [line for line in shown.splitlines()[1:] if line and not line.startswith(" ")]
    assert heads == [
        "What it checks",
        "Why it matters",
        "Example",
        "How to fix",
        "When it cannot decide",
        "Numerics",
        "Source",
    ]
