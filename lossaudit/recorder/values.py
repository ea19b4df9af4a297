"""What a training loop holds, as numbers: tensors, NumPy's scalars, Python's own."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lossaudit.errors import UsageError

FIELDS = frozenset(("step", "total", "dtype", "rng", "weights", "rank", "producer", "environment"))
"""Names of a record's and a batch's own fields, which no term can have."""

_LARGEST_STEP = 10**18


def number_of(name: str, value: Any) -> float:
    """The float64 that a value of one element is; NaN and infinities are numbers here.

    A tensor on a device is waited for.

    Raises:
        UsageError: if it has more elements, or is no real number.
    """
    count = getattr(value, "numel", None)
    elements = count() if callable(count) else getattr(value, "size", 1)
    if elements != 1:
        raise UsageError(f"{name!r} has {elements} elements", expected="one number")
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(
            f"{name!r} is a {type(value).__name__}", expected="a real number or a tensor of one"
        ) from None


def numbers_of(terms: Mapping[str, Any]) -> dict[str, float]:
    """The terms as numbers, by names that any file can hold.

    Raises:
        UsageError: if a name is no text, is taken, or stands twice; or as `number_of`.
    """
    if not isinstance(terms, Mapping):
        raise UsageError(f"the terms are a {type(terms).__name__}", expected="{name: term}")
    found: dict[str, float] = {}
    for name, value in terms.items():
        if not isinstance(name, str):
            raise UsageError(f"the name of a term is {name!r}", expected="text")
        written = printable(name)
        if written in FIELDS or written in found:
            raise UsageError(f"a term cannot be called {name!r}: that name is taken")
        found[written] = number_of(name, value)
    return found


def printable(name: str) -> str:
    """The name with "?" for lone surrogates, which UTF-8 cannot hold."""
    return name.encode("utf-8", "replace").decode()


def dtype_of(value: Any) -> str:
    """Such as "float32"; Python's own numbers, and whole ones, are float64."""
    dtype = str(getattr(value, "dtype", "float64")).removeprefix("torch.")
    return dtype if "float" in dtype else "float64"


def step_number(step: Any) -> int | None:
    """The step as a whole number, or None where it is none that can be recorded."""
    try:
        number = operator.index(step)
    except TypeError:
        return None
    return number if 0 <= number <= _LARGEST_STEP else None


def json_of(values: Mapping[str, float | str | None]) -> str:
    """JSON, with NaN and infinities as strings, which our readers take for the numbers."""
    written = {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
    return json.dumps(written, allow_nan=False)


def own_name() -> str:
    """What wrote the files, unless the user says otherwise."""
    try:
        return f"lossaudit.recorder {version('lossaudit')}"
    except PackageNotFoundError:  # copied into a project, not installed
        return "lossaudit.recorder"
