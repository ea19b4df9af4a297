"""One safetensors file as tensors over its own bytes: nothing is copied, nothing executed."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from lossaudit.errors import InputError
from lossaudit.model.replay import StoredFile
from lossaudit.witnesses.replay.names import shown
from lossaudit.witnesses.replay.opened_file import OpenedFile, open_stored
from lossaudit.witnesses.replay.safetensors_header import (
    LENGTH,
    Entry,
    header_size,
    parse_header,
)

if TYPE_CHECKING:
    from torch import Tensor


class TensorFile(Struct, frozen=True):
    """The tensors of one safetensors file.

    Attributes:
        path: as named.
        tensors: by name, on the CPU; they share the file's mapped pages, and writing to one of them
            changes neither the file nor what was hashed.
        metadata: strings, as written.
        opened: the file.
    """

    path: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    opened: OpenedFile

    @property
    def file(self) -> StoredFile:
        """Path, sha256 and size; waits for the digest, which is computed meanwhile.

        Raises:
            InputError: if somebody wrote to the file since it was opened.
        """
        return self.opened.stored()


def open_tensor_file(path: str) -> TensorFile:
    """Open a safetensors file.

    Args:
        path: a file; its name does not matter, its content does.

    Raises:
        InputError: if it cannot be read, or is not in the format in every byte of its header.
    """
    return tensors_of(open_stored(path))


def tensors_of(opened: OpenedFile) -> TensorFile:
    """The tensors of a safetensors file that is open already."""
    from lossaudit.witnesses.replay.content import refuse_others

    refuse_others(opened)
    try:
        size = header_size(opened.read(0, LENGTH), opened.size)
        header = parse_header(opened.read(LENGTH, size), opened.size - LENGTH - size)
    except ValueError as error:
        raise InputError(
            f"is no safetensors file that can be trusted: {error}",
            where=opened.path,
            expected="what safetensors.torch.save_file writes",
            hint="write or download it again",
        ) from None
    content = opened.content()
    opened.start_hashing()
    tensors = {
        name: _tensor(opened.path, name, content, entry, LENGTH + size + entry.start)
        for name, entry in header.entries.items()
    }
    return TensorFile(opened.path, tensors, header.metadata, opened)


def _tensor(
    path: str, name: str, content: bytearray | mmap.mmap, entry: Entry, start: int
) -> Tensor:
    import torch

    dtype: torch.dtype = getattr(torch, entry.dtype)
    if not entry.size:
        return torch.empty(entry.shape, dtype=dtype)
    stored = torch.frombuffer(content, dtype=torch.uint8, count=entry.size, offset=start)
    if dtype is torch.bool and stored.max() > 1:
        raise InputError(
            f"tensor {shown(name)} is boolean and has bytes other than 0 and 1", where=path
        )
    if start % dtype.itemsize:
        stored = stored.clone()  # old writers did not align: kernels may read whole words
    return stored.view(dtype).reshape(entry.shape)
