"""The digits that numbers of JSON lines show, where whoever wrote them chose how many.

`json.dumps` writes the fewest digits that a number needs, and any zero as `0.0`: its digits say
nothing that the values do not. A program that formats its numbers itself keeps zeros at the end.
"""

from __future__ import annotations

import json
import re
from typing import Any

from lossaudit.witnesses.columns import count_decimals, parse_number
from lossaudit.witnesses.json_records import DEEPEST, RefusedError, numbers_of

_KEPT_ZERO = re.compile(rb'[\s:,\[]-?\d+\.\d+0(?=[\s,}])|"-?\d+\.\d+0"')


class _Text(str):
    """A number as it was written."""


_DECODER = json.JSONDecoder(parse_float=_Text, parse_int=_Text)


def keeps_zeros(text: bytes) -> bool:
    """Whether some number ends in a zero that it does not need; formatted ones often do."""
    return _KEPT_ZERO.search(text) is not None


def shown_decimals(line: bytes) -> dict[str, int]:
    """Digits after the decimal point that each tag's number shows, see `count_decimals`.

    Args:
        line: a record that could be read; one that cannot be read twice has none.
    """
    try:
        record = _DECODER.decode(line.decode("utf-8", "replace").rstrip("\r"))
        shown = _counted(record, DEEPEST)
        numbers = numbers_of(shown)[0] if isinstance(shown, dict) else {}
    except (ValueError, RecursionError, RefusedError):
        return {}
    return {tag: int(count) for tag, count in numbers.items()}


def _counted(value: Any, depth: int) -> Any:
    """A value with each number replaced by how many decimals it shows."""
    if isinstance(value, dict) and depth:
        return {key: _counted(inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, str) and parse_number(value) is not None:
        return count_decimals(value)
    return None if isinstance(value, float) else value  # NaN and infinities
