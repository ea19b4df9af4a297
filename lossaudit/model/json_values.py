"""Any value of ours as JSON can hold it."""

from __future__ import annotations

import math
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict


def encode_value(value: Any) -> Any:
    """`value` with NaN and infinities as strings ("NaN", "Infinity", "-Infinity"), recursively.

    A struct becomes a mapping of its fields.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Struct):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(k): encode_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [encode_value(v) for v in value]
    return value
