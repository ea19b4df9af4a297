"""Paths of one run beside each other, without the folders that all of them share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

EVENTS = ".tfevents."


def short_paths(paths: Sequence[str]) -> dict[str, str]:
    """Each path without the common folder; that folder itself by its own name.

    A file of TensorBoard's that is alone in its folder is called by the folder: what the writer put
    into the file's name (time, host, process) tells a reader nothing.

    Example:
        >>> short_paths(['runs/1/log.csv', 'runs/1/events', 'runs/1'])
        {'runs/1/log.csv': 'log.csv', 'runs/1/events': 'events', 'runs/1': '1'}
    """
    split = {path: [part for part in path.split("/") if part] for path in paths}
    if len(split) < 2:
        return {path: path for path in paths}
    levels = takewhile(lambda parts: len(set(parts)) == 1, zip(*split.values(), strict=False))
    shared = len(list(levels))
    folders = Counter(tuple(parts[:-1]) for parts in split.values())
    found = dict[str, str]()
    for path, parts in split.items():
        kept = parts[shared:]
        if len(kept) > 1 and EVENTS in kept[-1] and folders[tuple(parts[:-1])] == 1:
            kept = kept[:-1]
        found[path] = "/".join(kept) or (parts[-1] if parts else path)
    return found
