"""What a run's recorder wrote of the training's own surroundings: the run's word, not ours.

The text is anybody's: it is bounded, must be one flat JSON object a line, and is shown. Of what it
says only that is used which widens intervals: whether TF32 was on, and which GPU drew numbers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from msgspec import Struct

from lossaudit.model.reproduction import Input
from lossaudit.rendering.safe_text import clip
from lossaudit.witnesses.replay.strict_json import parse_object

LARGEST = 1 << 20
"""Bytes of a file; one line of ours has about 600, and a run writes one each time it starts."""

LONGEST_LINE = 1 << 14
MOST_KEYS = 64
LONGEST_VALUE = 120
MOST_VALUES = 3
"""Different values of one key that are shown, such as of a run that was resumed elsewhere."""

_FILE = re.compile(r"environment(\.rank-[0-9]{3,})?\.jsonl")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")

Entry = Mapping[str, str]


class RecordedEnvironments(Struct, frozen=True):
    """What the files of a run say.

    Attributes:
        entries: one for each line, in order.
        inputs: the files that were read.
        skipped: (kind, what cannot be read and why).
    """

    entries: tuple[Entry, ...] = ()
    inputs: tuple[Input, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()


def is_recorded_environment(path: str | PurePath) -> bool:
    """Whether a file is the recorder's, by its place."""
    path = PurePath(path)
    return path.parent.name == "record" and _FILE.fullmatch(path.name) is not None


def read_environments(paths: Iterable[str]) -> RecordedEnvironments:
    """Read a run's files; what is no such file is skipped, with the reason."""
    entries: list[Entry] = []
    inputs: list[Input] = []
    skipped: list[tuple[str, str]] = []
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                held = file.read(LARGEST + 1)
        except OSError as error:
            skipped.append(("environment", f"{path} cannot be read: {error.strerror}"))
            continue
        if len(held) > LARGEST:
            skipped.append(("environment", f"{path} has more than {LARGEST >> 20} MiB"))
            continue
        inputs.append(Input(path, hashlib.sha256(held).hexdigest()))
        *lines, _ = held.split(b"\n")  # what has no line end is still being written
        try:
            entries += [parse_environment(line) for line in lines if line.strip()]
        except ValueError as error:
            skipped.append(("environment", f"{path} is not what the recorder writes: {error}"))
    return RecordedEnvironments(tuple(entries), tuple(inputs), tuple(skipped))


def parse_environment(text: bytes) -> dict[str, str]:
    """One entry: {name: short text}.

    Raises:
        ValueError: if it is anything else; the message says what.
    """
    if len(text) > LONGEST_LINE:
        raise ValueError(f"it has {len(text):,} bytes, more than {LONGEST_LINE:,}")
    found = {name: v for name, v in parse_object(text).items() if name != "step"}
    if len(found) > MOST_KEYS:
        raise ValueError(f"it has {len(found):,} keys, more than {MOST_KEYS}")
    if not all(_KEY.fullmatch(name) for name in found):
        raise ValueError("a key is no name in small letters")
    return {name: _short(value) for name, value in found.items()}


def environment_of(text: str) -> dict[str, str]:
    """What a batch says of its training; nothing where the text is not what the recorder writes."""
    try:
        return parse_environment(text.encode())
    except ValueError:
        return {}


def told_alike(entries: Iterable[Entry]) -> dict[str, str]:
    """All entries as one; values that differ stand beside each other, up to `MOST_VALUES`."""
    values: dict[str, dict[str, None]] = {}
    for entry in entries:
        for name, value in entry.items():
            if len(values) < MOST_KEYS or name in values:
                values.setdefault(name, {})[value] = None
    return {name: _beside(list(found)) for name, found in values.items()}


def _beside(values: list[str]) -> str:
    more = len(values) - MOST_VALUES
    return " / ".join(values[:MOST_VALUES]) + (f" and {more:,} more" if more > 0 else "")


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        raise ValueError("a value is no plain one")
    return clip("" if value is None else str(value), LONGEST_VALUE)
