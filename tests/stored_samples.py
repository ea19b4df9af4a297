"""What the tests of stored tensors share: safetensors files byte by byte, and hostile pickles."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

TWO: Mapping[str, Any] = {
    "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
    "b": {"dtype": "F16", "shape": [4], "data_offsets": [16, 24]},
}
"""A header of two tensors, 24 bytes of data."""


def safetensors(header: Mapping[str, Any] | bytes, data: bytes = bytes(24)) -> bytes:
    """A file with that header, as an object or as text."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def changed(name: str, **values: Any) -> dict[str, Any]:
    """`TWO` with other values for one tensor."""
    return {**TWO, name: {**TWO[name], **values}}


class Canary:
    """Creates a file when it is unpickled by anything that runs what a pickle asks for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mknod, (str(self.path),))


def repacked(
    source: Path, target: Path, change: Callable[[str, bytes], Iterable[tuple[str, bytes]]]
) -> None:
    """The same zip archive with other records, stored."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            for name, content in change(info.filename, old.read(info)):
                new.writestr(name, content)
