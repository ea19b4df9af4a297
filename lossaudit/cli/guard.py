"""Turns exceptions into text on standard error and the contract's exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from lossaudit.cli.process import settle_in
from lossaudit.errors import LossauditError

INTERRUPTED = 130
BUG = 70


@contextmanager
def guarded() -> Iterator[None]:
    """Run a command's body: users' errors without a traceback, ours with one and exit code 70."""
    settle_in()
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except typer.Exit:
        raise
    except LossauditError as error:
        complain(str(error))
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        complain("interrupted; no further report is written")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output is gone; nothing may be written to it while Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except Exception:  # noqa: BLE001 - the one place where a bug of ours becomes exit code 70
        import traceback

        complain("this is a bug in lossaudit; please report it with the lines below")
        complain(traceback.format_exc())
        raise typer.Exit(BUG) from None


def complain(text: str) -> None:
    """Write to standard error, control characters made visible, whatever its encoding."""
    from lossaudit.rendering.safe_text import escape_text

    safe = "\n".join(escape_text(line) for line in text.splitlines())
    encoding = sys.stderr.encoding or "utf-8"
    print(safe.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)
