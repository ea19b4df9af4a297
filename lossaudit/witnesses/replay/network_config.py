"""A network's architecture, as config.json beside its weights says; the file is not trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lossaudit.errors import InputError
from lossaudit.rendering.safe_text import clip, escape_text
from lossaudit.witnesses.replay.names import shown
from lossaudit.witnesses.replay.opened_file import OpenedFile, open_stored
from lossaudit.witnesses.replay.shards import read_json_object

if TYPE_CHECKING:
    from torch.nn import Module

MOST_BYTES = 1 << 20
MOST_ITEMS = 16
MOST = 1 << 16
MOST_LAYERS = 64
"""Layers are built one by one before any size is compared with the weights."""

BUILD_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What diffusers raises on sizes and names that do not fit."""


def read_config(path: str) -> tuple[Mapping[str, Any], OpenedFile]:
    """A config file's values, and the file, whose digest is on the way.

    Raises:
        InputError: if it cannot be read, or is no JSON object.
    """
    opened = open_stored(path)
    if opened.size > MOST_BYTES:
        raise InputError("is longer than 1 MiB, as no config is", where=path)
    return read_json_object(opened, "a config"), opened


def build_network(kind: type[Module], config: Mapping[str, Any], where: str) -> Module:
    """A network of a diffusers class by its config; keys that the class does not know are ignored.

    Raises:
        InputError: if the config is of another class, or no network can be built from it.
    """
    named = config.get("_class_name", kind.__name__)
    if named != kind.__name__:
        raise InputError(
            f"the config is of the class {shown(named, 80)}", where=where, expected=kind.__name__
        )
    known = _parameters(kind)
    chosen = {key: value for key, value in config.items() if key in known}
    for key, value in chosen.items():
        if not _is_plain(value, MOST_LAYERS if "layers" in key else MOST):
            raise InputError(
                f"{key} is {shown(value, 80)}",
                where=where,
                expected=f"numbers up to {MOST_LAYERS if 'layers' in key else MOST}, short texts "
                f"and lists of up to {MOST_ITEMS} of them",
            )
    try:
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in chosen.items()})
    except BUILD_ERRORS as error:
        problem = escape_text(clip(str(error), 300))
        message = f"no {kind.__name__} can be built from the config: {problem}"
        raise InputError(message, where=where) from None


def _parameters(kind: type[Module]) -> set[str]:
    from inspect import signature

    return set(signature(kind).parameters)


def _is_plain(value: Any, most: int) -> bool:
    match value:
        case None | bool():
            return True
        case int() | float():
            return math.isfinite(value) and abs(value) <= most
        case str():
            return len(value) <= 100
        case list() | tuple():
            flat = all(not isinstance(v, list | tuple) for v in value)
            return len(value) <= MOST_ITEMS and flat and all(_is_plain(v, most) for v in value)
    return False
