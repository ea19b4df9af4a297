"""What can be typed after `lossaudit presets`."""

from __future__ import annotations

from lossaudit.cli.guard import guarded


def presets() -> None:
    """List the losses and log writers that a spec comes with."""
    with guarded():
        from lossaudit.cli import lookups

        lookups.show_presets()
