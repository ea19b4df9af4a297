"""What can be typed after `lossaudit readers`."""

from __future__ import annotations

from lossaudit.cli.guard import guarded


def readers() -> None:
    """List the log formats."""
    with guarded():
        from lossaudit.cli import lookups

        lookups.show_readers()
