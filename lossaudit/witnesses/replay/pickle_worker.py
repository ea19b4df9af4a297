"""Lets torch read the structure of one pickled checkpoint; run as a process of its own.

torch.load(weights_only=True) is what reads a pickle, but it has had holes, and a small file can ask
for any amount of memory. So `pickle_file.py` runs this file, which imports nothing of ours, limits
itself and never touches a value: tensors are loaded on the meta device, and what comes out is
where in the file each of them lies. A second load, mapped, must find the same places.

The output is one object of JSON: `tensors`, a list of [path, dtype, shape, stride, offset in
elements, first byte of the storage, its bytes], `dicts`, the [path, keys] of every dictionary, or
`error`. A path is a list of keys.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
import warnings
from pickle import UnpicklingError
from typing import Any

DEEPEST = 8
MOST = 500_000
ROOM = 1 << 30
SECONDS = 60

UNREADABLE = (
    UnpicklingError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    AssertionError, EOFError, OSError, RecursionError, OverflowError, struct.error,
)  # fmt: skip
"""What torch's loader raises where a pickle is not what it expects."""


def limit(file_size: int, room: int = ROOM, seconds: int = SECONDS) -> None:
    """Bound what this process may still use: memory, time of the processor, files, processes."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    bounds = {
        resource.RLIMIT_CPU: spent + seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: 32,
    }
    if os.path.exists("/proc/self/statm"):  # noqa: PTH110
        with open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[0])
        # A mapping of the file counts; its content is never read.
        bounds[resource.RLIMIT_AS] = pages * resource.getpagesize() + file_size + room
    for kind, most in bounds.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def describe(path: str) -> dict[str, Any]:
    """Where the tensors of a checkpoint lie."""
    import torch

    tensors, dicts = _walk(torch.load(path, map_location="meta", weights_only=True))
    mapped, _ = _walk(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
    places = [_place(tensor) for _, tensor in tensors]
    apart = {
        other.untyped_storage().data_ptr() - start
        for (*_, start, size), (_, other) in zip(places, mapped, strict=True)
        if size
    }
    if len(apart) > 1:
        raise ValueError("its records are not in the order in which torch.save writes them")
    described = [[p, *place] for (p, _), place in zip(tensors, places, strict=True)]
    return {"tensors": described, "dicts": dicts}


def _walk(tree: Any) -> tuple[list[tuple[list[str], Any]], list[list[Any]]]:
    """All tensors in nested dictionaries with their paths, and the keys of every dictionary."""
    import torch

    tensors: list[tuple[list[str], Any]] = []
    dicts: list[list[Any]] = []
    layer: list[tuple[list[str], Any]] = [([], tree)]
    while layer:
        path, value = layer.pop()
        if len(tensors) + len(dicts) > MOST:
            raise ValueError(f"it has more than {MOST:,} tensors and dictionaries")
        if isinstance(value, torch.Tensor):
            tensors.append((path, value))
        elif isinstance(value, dict) and len(path) < DEEPEST:
            keys = [key if isinstance(key, str) else repr(key)[:100] for key in value]
            dicts.append([path, keys])
            inner = zip(keys, value.values(), strict=True)
            layer += reversed([([*path, key], v) for key, v in inner])
    return tensors, dicts


def _place(tensor: Any) -> list[Any]:
    import torch

    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise ValueError(f"it has a tensor of the layout {tensor.layout}")
    storage = tensor.untyped_storage()
    start = getattr(storage, "_checkpoint_offset", None)
    if start is None:
        raise ValueError(f"torch {torch.__version__} does not tell where its tensors lie")
    dtype = str(tensor.dtype).removeprefix("torch.")
    shape, stride = list(tensor.shape), list(tensor.stride())
    return [dtype, shape, stride, tensor.storage_offset(), start, storage.nbytes()]


def main(path: str, size: int) -> None:
    """The process: `python pickle_worker.py FILE SIZE`."""
    import torch  # before the limits, which are for what the file asks for

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    limit(size)
    try:
        text = json.dumps(describe(path))
    except MemoryError:
        text = json.dumps({"error": "it asks for more memory than it could need"})
    except UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()
        text = json.dumps({"error": f"{type(error).__name__}: {reason[-1][:300]}"})
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
