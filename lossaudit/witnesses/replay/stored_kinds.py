"""What a stored file is, by its header alone: nothing is hashed, mapped or loaded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.opened_file import open_stored
from lossaudit.witnesses.replay.safetensors_header import LENGTH, header_size, parse_header

LARGEST_CONFIG = 1 << 20
_STEP = re.compile(r"[0-9]{1,15}")


def kind_of_tensors(path: str) -> str:
    """ "batch" where the metadata states a step or a total, "weights", or why it cannot be read."""
    try:
        metadata = _metadata(path)
    except InputError as error:
        return error.message
    return "batch" if {"step", "total"} & set(metadata) else "weights"


def stated_step(path: str) -> int | None:
    """The step in a batch's metadata.

    Raises:
        InputError: if the file cannot be read.
    """
    text = _metadata(path).get("step", "")
    return int(text) if _STEP.fullmatch(text) else None


def kind_of_config(path: str) -> str:
    """The class that a diffusers config names; empty for every other file."""
    file = Path(path)
    try:
        if not file.is_file() or file.is_symlink() or file.stat().st_size > LARGEST_CONFIG:
            return ""
        found: Any = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    name = found.get("_class_name") if isinstance(found, dict) else None
    return name if isinstance(name, str) else ""


def _metadata(path: str) -> dict[str, str]:
    opened = open_stored(path)
    try:
        size = header_size(opened.read(0, LENGTH), opened.size)
        header = parse_header(opened.read(LENGTH, size), opened.size - LENGTH - size)
    except ValueError as error:
        raise InputError(
            f"is no safetensors file that can be trusted: {error}", where=path
        ) from None
    return dict(header.metadata)
