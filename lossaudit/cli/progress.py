"""A progress line on standard error, for work of more than a second on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 1.0
"""Seconds without a word."""


@contextmanager
def show_progress(wanted: bool, logs: list[str]) -> Iterator[Callable[[int], None]]:
    """Yield a function to be called with the number of records read so far."""
    if not wanted or not sys.stderr.isatty():
        yield lambda _: None
        return
    start = time.monotonic()
    shown = False

    def report(records: int) -> None:
        nonlocal shown
        if time.monotonic() - start > PATIENCE:
            shown = True
            sys.stderr.write(f"\r\x1b[Kreading: {records:,} records")
            sys.stderr.flush()

    try:
        yield report
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def show_work(wanted: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function to be called with what is being worked on."""
    from lossaudit.rendering.safe_text import escape_text

    if not wanted or not sys.stderr.isatty():
        yield lambda _: None
        return

    def report(line: str) -> None:
        sys.stderr.write(f"\r\x1b[K{escape_text(line)[:100]}")
        sys.stderr.flush()

    try:
        yield report
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
