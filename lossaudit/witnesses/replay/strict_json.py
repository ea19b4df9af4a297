"""JSON of somebody else's files: no key twice, no constants that JSON lacks, objects only."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

from lossaudit.witnesses.replay.names import shown

LARGEST = 16 << 20
"""Bytes of a header, index or config that are parsed; 100,000 tensors need about 13 MB."""


def parse_object(text: bytes) -> dict[str, Any]:
    """The JSON object that a text is.

    Raises:
        ValueError: if it is anything else, too large or too deep; the message says what.
    """
    if len(text) > LARGEST:
        raise ValueError(f"it has {len(text):,} bytes, more than {LARGEST >> 20} MiB")
    try:
        parsed = json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start:,} is no UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos:,}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(parsed, dict):
        raise ValueError(f"it is a JSON {_kind(parsed)}, not an object")
    return parsed


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = counts.most_common(1)[0][0]
        raise ValueError(f"the key {shown(twice)} occurs twice")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _kind(value: object) -> str:
    kinds = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")
