"""A plain safetensors opener, until the checked one of the checkpoints takes its place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from lossaudit.errors import InputError
from lossaudit.model.replay import StoredFile

if TYPE_CHECKING:
    from torch import Tensor


class TensorFile(Struct, frozen=True):
    """The tensors of one safetensors file."""

    path: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    file: StoredFile


def open_tensor_file(path: str) -> TensorFile:
    """Open a safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot be read: {error}", where=path) from None
    with Path(path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return TensorFile(path, tensors, metadata, StoredFile(path, digest, Path(path).stat().st_size))
