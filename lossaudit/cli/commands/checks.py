"""What can be typed after `lossaudit checks`."""

from __future__ import annotations

from lossaudit.cli.guard import guarded


def checks() -> None:
    """List the checks; `explain NAME` tells more of each."""
    with guarded():
        from lossaudit.cli import lookups

        lookups.show_checks()
