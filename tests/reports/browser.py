"""A real Chromium without a window, for tests of pages; it is told to reach for nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)


class Opened(Struct, frozen=True):
    """What a browser made of a page: its elements after scripts ran, and what it complained of."""

    dom: str
    complaints: list[str]


def open_page(page: Path, profile: Path, *flags: str) -> Opened:
    """Open a page, let its scripts run for eight seconds of its own time, and read it back."""
    ran = subprocess.run(
        [
            str(CHROMIUM),
            *FLAGS,
            *flags,
            f"--user-data-dir={profile}",
            "--virtual-time-budget=8000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return Opened(ran.stdout, re.findall(r"CONSOLE[^\n]*", ran.stderr))
