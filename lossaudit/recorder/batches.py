"""Writes sample batches, each as a whole or not at all, and drops the oldest beyond a bound."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossaudit.errors import UsageError
from lossaudit.recorder.layout import Rank, batches_of
from lossaudit.recorder.lines import lock
from lossaudit.recorder.values import printable

if TYPE_CHECKING:
    from torch import Tensor


def copied(tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    """Copies in memory of their own, contiguous, on the CPU and without a graph.

    What training later changes in place does not reach them.

    Raises:
        UsageError: if something is no tensor that a safetensors file can hold.
    """
    import torch

    if not isinstance(tensors, Mapping):
        raise UsageError(f"tensors are a {type(tensors).__name__}", expected="{name: tensor}")
    found = {}
    for name, value in tensors.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise UsageError(f"a tensor cannot be called {name!r}")
        tensor = torch.as_tensor(value) if hasattr(value, "__array_interface__") else value
        if not isinstance(tensor, torch.Tensor):
            raise UsageError(f"{name!r} is a {type(value).__name__}", expected="a tensor")
        if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
            raise UsageError(f"{name!r} is {tensor.layout} on {tensor.device}, not a dense tensor")
        plain = tensor.detach().resolve_conj().resolve_neg()
        found[printable(name)] = plain.to(
            "cpu", copy=True, memory_format=torch.contiguous_format
        ).contiguous()
    return found


def write_batch(
    path: Path,
    partial: Path,
    tensors: dict[str, Tensor],
    metadata: dict[str, str],
    max_bytes: int,
) -> None:
    """Write a batch under `partial`, wait for the disk, and only then give it its name.

    Raises:
        OSError: if it could not be written or is larger than `max_bytes`; a file that had the
            name stays.
        UsageError: if safetensors has no such dtype.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    _check_size(sum(tensor.nbytes for tensor in tensors.values()), max_bytes)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        lock(file)
        try:
            save_file(tensors, partial, metadata)
            _sort_header(partial)
            _check_size(partial.stat().st_size, max_bytes)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except SafetensorError as error:
        raise _as_os_error(error) from None
    except (KeyError, ValueError) as error:
        raise UsageError(f"safetensors cannot hold this batch: {error}") from None
    finally:
        os.close(file)
    _sync_folder(path.parent)


def _as_os_error(error: Exception) -> OSError:
    """The library's error with the number that it has in its text only."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise OSError(errno.EFBIG, f"a batch of {size:,} bytes; max_bytes is {max_bytes:,}")


def _sort_header(path: Path) -> None:
    """Put the header in order, since the library shuffles the metadata; wait for the disk."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        ordered = text.encode().ljust(size)
        if len(ordered) == size:
            file.seek(8)
            file.write(ordered)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until the new name is on the disk too."""
    if os.name == "nt":
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def drop_oldest(run_dir: Path, rank: Rank, keep: int | None, max_bytes: int, new: Path) -> None:
    """Remove a rank's oldest batches until at most `keep` of `max_bytes` are left, with `new`.

    Raises:
        OSError: if one cannot be removed.
    """
    found = batches_of(run_dir, rank)
    total, count = sum(batch.size for batch in found), len(found)
    for batch in found:
        if total <= max_bytes and (keep is None or count <= keep):
            return
        if batch.path != new:
            batch.path.unlink()
            total, count = total - batch.size, count - 1
