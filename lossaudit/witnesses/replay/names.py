"""Names out of somebody else's files, as messages show them."""

from __future__ import annotations

from collections.abc import Collection

from lossaudit.rendering.safe_text import clip, escape_text


def shown(name: object, longest: int = 120) -> str:
    """A name, quoted: one line, nothing invisible, bounded."""
    return escape_text(clip(repr(name), longest))


def listed(names: Collection[object], most: int = 10) -> str:
    """Names in sorted order, quoted, with the number of those beyond `most`."""
    ordered = sorted(names, key=str)
    text = ", ".join(shown(name) for name in ordered[:most])
    left = len(ordered) - most
    return f"{text} and {left:,} more" if left > 0 else text
