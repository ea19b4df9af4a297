"""What numbers, counts, lists and mappings of a stored result may be; sizes are bounded."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from msgspec import Meta

MANY = 1000
"""Witnesses, terms, rivals and points of a course; nothing of ours has more."""

T = TypeVar("T")
Number = float | Literal["NaN", "Infinity", "-Infinity"]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Step = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Few = Annotated[list[T], Meta(max_length=MANY)]
Named = Annotated[dict[str, T], Meta(max_length=MANY)]
