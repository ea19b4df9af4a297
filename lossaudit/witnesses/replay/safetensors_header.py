"""The header of a safetensors file, checked before anything is mapped or allocated.

The format is an 8-byte length, that many bytes of JSON, and the tensors' bytes without gaps:
huggingface/safetensors, README "Format". The library accepts a key that occurs twice and opens a
file by its path once more, so that what was hashed need not be what is loaded; hence this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from msgspec import Struct

from lossaudit.witnesses.replay.names import shown
from lossaudit.witnesses.replay.strict_json import LARGEST, parse_object

LENGTH = 8
"""Bytes of the length that a file begins with."""

DTYPES: Mapping[str, tuple[str, int]] = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U64": ("uint64", 8),
    "U32": ("uint32", 4),
    "U16": ("uint16", 2),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}
"""What is read: the format's name -> torch's name, bytes of an element."""

NOT_READ: Mapping[str, str] = {
    "C64": "complex",
    "F8_E4M3": "8-bit floating",
    "F8_E5M2": "8-bit floating",
    "F8_E8M0": "8-bit scale",
    "F8_E4M3FNUZ": "8-bit floating",
    "F8_E5M2FNUZ": "8-bit floating",
    "F6_E2M3": "6-bit floating",
    "F6_E3M2": "6-bit floating",
    "F4": "4-bit floating",
}
"""What the format knows and no loss is computed in."""

_DEEPEST = 64
_MOST = 2**63 - 1


class Entry(Struct, frozen=True):
    """One tensor: torch's name of its dtype, its shape, its first byte behind the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


class Header(Struct, frozen=True):
    """The tensors of a file in the order of its header, and its metadata."""

    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]


def header_size(head: bytes, file_size: int) -> int:
    """Bytes of the JSON, from the first bytes of a file.

    Raises:
        ValueError: if the file cannot hold that many, or nobody needs as many.
    """
    if len(head) < LENGTH:
        raise ValueError(f"it ends after {len(head)} bytes, inside the header's length")
    size = int.from_bytes(head[:LENGTH], "little")
    if size > LARGEST:
        raise ValueError(
            f"it claims a header of {size:,} bytes, more than {LARGEST >> 20} MiB; the file has "
            f"{file_size:,}"
        )
    if size > file_size - LENGTH:
        raise ValueError(f"it claims a header of {size:,} bytes and ends after {file_size:,}")
    return size


def parse_header(text: bytes, stored: int) -> Header:
    """The tensors that a header describes, each inside the file and none over another.

    Args:
        text: the JSON.
        stored: bytes of the file behind the header.

    Raises:
        ValueError: if the header is not what the format allows; the message says what and where.
    """
    parsed = parse_object(text)
    metadata = parsed.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its __metadata__ is not an object of strings")
    entries = {name: _entry(name, value) for name, value in parsed.items()}
    _check_layout(entries, stored)
    return Header(entries, metadata)


def _entry(name: str, value: Any) -> Entry:
    try:
        if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError("is not described by dtype, shape and data_offsets alone")
        dtype, itemsize = _dtype(value["dtype"])
        shape = _counts(value["shape"], "shape")
        offsets = _counts(value["data_offsets"], "data_offsets")
        if len(shape) > _DEEPEST:
            raise ValueError(f"has {len(shape):,} dimensions, more than {_DEEPEST}")
        if len(offsets) != 2 or offsets[0] > offsets[1]:
            raise ValueError(f"has the data_offsets {shown(value['data_offsets'])}")
        start, end = offsets
        if prod(n for n in shape if n) > _MOST:
            raise ValueError(f"has the shape {shown(value['shape'])}, which nothing can hold")
        needed = prod(shape) * itemsize
        if needed != end - start:
            raise ValueError(
                f"needs {needed:,} bytes as {dtype} of shape {shown(value['shape'])} and has "
                f"{end - start:,}"
            )
    except ValueError as error:
        raise ValueError(f"tensor {shown(name)} {error}") from None
    return Entry(dtype, shape, start, end - start)


def _dtype(name: Any) -> tuple[str, int]:
    known = DTYPES.get(name) if isinstance(name, str) else None
    if known is not None:
        return known
    if isinstance(name, str) and name in NOT_READ:
        raise ValueError(
            f"is {NOT_READ[name]} ({name}), which is not replayed: convert it to F32, F16 or BF16"
        )
    raise ValueError(f"has the dtype {shown(name)}, which the format does not know")


def _counts(value: Any, what: str) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(n) is int and 0 <= n <= _MOST for n in value):
        raise ValueError(f"has the {what} {shown(value)}, not a list of counts")
    return tuple(value)


def _check_layout(entries: Mapping[str, Entry], stored: int) -> None:
    """The tensors fill what follows the header: no gap, no overlap, nothing behind them."""
    position = 0
    for name, entry in sorted(entries.items(), key=lambda e: (e[1].start, e[1].size)):
        if entry.start != position:
            what = "overlaps the tensor before it" if entry.start < position else "leaves a gap"
            raise ValueError(
                f"tensor {shown(name)} begins at byte {entry.start:,} of the data and {what}, "
                f"which ends at {position:,}"
            )
        position += entry.size
    if position != stored:
        what = "is cut" if position > stored else "has trailing bytes"
        raise ValueError(f"it {what}: its tensors need {position:,} bytes and it stores {stored:,}")
