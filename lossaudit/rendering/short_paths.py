"""Paths of one run beside each other, without the folders that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile


def short_paths(paths: Sequence[str]) -> dict[str, str]:
    """Each path without the common folder; that folder itself by its own name.

    Example:
        >>> short_paths(['runs/1/log.csv', 'runs/1/events', 'runs/1'])
        {'runs/1/log.csv': 'log.csv', 'runs/1/events': 'events', 'runs/1': '1'}
    """
    split = {path: [part for part in path.split("/") if part] for path in paths}
    if len(split) < 2:
        return {path: path for path in paths}
    levels = takewhile(lambda parts: len(set(parts)) == 1, zip(*split.values(), strict=False))
    shared = len(list(levels))
    return {
        path: "/".join(parts[shared:]) or (parts[-1] if parts else path)
        for path, parts in split.items()
    }
