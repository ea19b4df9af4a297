"""One torch.save file as tensors over its own bytes, its pickle read by a process with limits."""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.content import CONVERT, kind_of
from lossaudit.witnesses.replay.names import shown
from lossaudit.witnesses.replay.opened_file import OpenedFile
from lossaudit.witnesses.replay.pickle_globals import LARGEST, check_pickle
from lossaudit.witnesses.replay.safetensors_header import DTYPES
from lossaudit.witnesses.replay.state_dict import choose_weights
from lossaudit.witnesses.replay.zip_archive import Record, read_records

if TYPE_CHECKING:
    from torch import Tensor

_PATIENCE = 300
"""Seconds of the clock; the process itself may use 60 of the processor."""

_LONGEST = 64 << 20
"""Bytes of an answer; a tensor needs about 150."""

_SPREAD = 4
"""How often the bytes of a file may be used: shared weights have several names."""

_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled number that torch.save wrote first before 1.6 (torch.serialization.MAGIC_NUMBER)."""

_DTYPES = dict(DTYPES.values())


class _Place(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a tensor lies: offset and stride in elements, its storage's start and size in bytes."""

    path: list[str]
    dtype: str
    shape: list[int]
    stride: list[int]
    offset: int
    start: int
    size: int


class _Described(Struct, frozen=True):
    """What the process writes."""

    tensors: list[_Place] = []
    dicts: list[tuple[list[str], list[str]]] = []
    error: str = ""


def open_pickle(opened: OpenedFile, allow_pickle: bool) -> tuple[dict[str, Tensor], str]:
    """The weights of a pickled checkpoint, mapped, and how they were chosen.

    Args:
        opened: the file.
        allow_pickle: False refuses it.

    Raises:
        InputError: if it is not allowed, not as torch.save has written it since 1.6, calls for
            anything but tensors, or claims more than it stores.
    """
    if not allow_pickle:
        raise InputError(
            "is a pickle, which can run code",
            where=opened.path,
            expected="a safetensors file",
            hint="--allow-pickle reads its tensors in a process with limits; or, where you trust "
            f"it, {CONVERT}",
        )
    if kind_of(opened) != "zip":
        raise _refused_format(opened)
    try:
        records = read_records(opened)
        _check_content(opened, records)
        described = _described(_answer(opened))
        places = {tuple(p.path): p for p in described.tensors}
        dicts = {tuple(path): keys for path, keys in described.dicts}
        chosen, note = choose_weights(places, dicts)
        _check_places(chosen, records, opened.size)
    except ValueError as error:
        raise InputError(
            f"is no pickle of weights that can be trusted: {error}",
            where=opened.path,
            expected="what torch.save(model.state_dict(), FILE) writes",
            hint=f"ask its writer for a safetensors file; or, only where you trust it, {CONVERT}",
        ) from None
    opened.check_unchanged()
    content = opened.content()
    opened.start_hashing()
    return {name: _tensor(content, place) for name, place in chosen.items()}, note


def _refused_format(opened: OpenedFile) -> InputError:
    is_legacy = opened.read(0, len(_LEGACY)) == _LEGACY
    what = "a pickle in the format of torch before 1.6" if is_legacy else "a bare pickle"
    return InputError(
        f"is {what}, whose tensors do not lie in the file as they are",
        where=opened.path,
        expected="a safetensors file, or what torch.save has written since 1.6",
        hint="torch.save(torch.load(FILE, weights_only=True), OTHER), where you trust it",
    )


def _check_content(opened: OpenedFile, records: Mapping[str, Record]) -> None:
    """The archive is torch.save's, little-endian, and its pickle calls for nothing but tensors."""
    pickles = [name for name in records if name.endswith(".pkl")]
    if any(name.endswith("/constants.pkl") for name in pickles):
        raise ValueError("it is a TorchScript archive, which holds code")
    if len(pickles) != 1 or pickles[0].count("/") != 1 or not pickles[0].endswith("/data.pkl"):
        raise ValueError("it is a zip archive without one data.pkl")
    folder = pickles[0].removesuffix("data.pkl")
    if any(not name.startswith(folder) for name in records):
        raise ValueError(f"it has records outside of {shown(folder)}")
    order = records.get(f"{folder}byteorder")
    if order is not None and opened.read(order.start, min(order.size, 10)) != b"little":
        raise ValueError("its bytes are in big-endian order")
    record = records[pickles[0]]
    if record.size > LARGEST:
        raise ValueError(f"its pickle has {record.size:,} bytes, more than {LARGEST >> 20} MiB")
    check_pickle(opened.read(record.start, record.size))


def _answer(opened: OpenedFile) -> bytes:
    """What the process says about a file that it opens through our descriptor."""
    import signal
    import subprocess
    from threading import Timer

    from lossaudit.witnesses.replay import pickle_worker

    descriptor = opened.descriptor
    command = [sys.executable, "-P", pickle_worker.__file__, f"/dev/fd/{descriptor}"]
    kept = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    with subprocess.Popen(
        [*command, str(opened.size)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**environment, "OMP_NUM_THREADS": "1"},
        pass_fds=(descriptor,),
    ) as process:
        assert process.stdout is not None
        watchdog = Timer(_PATIENCE, process.kill)
        watchdog.start()
        try:
            answer = process.stdout.read(_LONGEST + 1)
            process.stdout.close()  # one that has more to say ends
            code = process.wait()
        finally:
            watchdog.cancel()
    if len(answer) > _LONGEST or code:
        ended = signal.Signals(-code).name if code < 0 else f"code {code}"
        raise ValueError(f"the process that read it was stopped or failed ({ended})")
    return answer


def _described(answer: bytes) -> _Described:
    try:
        described = msgspec.json.decode(answer, type=_Described)
    except msgspec.DecodeError as error:
        raise ValueError(f"the process that read it was cut short: {error}") from None
    if described.error:
        raise ValueError(described.error)
    return described


def _check_places(places: Mapping[str, _Place], records: Mapping[str, Record], size: int) -> None:
    """Every tensor lies within one record, and all of them together are no more than the file."""
    starts = {record.start: record for record in records.values()}
    claimed = 0
    for name, place in places.items():
        try:
            claimed += _claimed(place, starts)
        except ValueError as error:
            raise ValueError(f"tensor {shown(name)} {error}") from None
        if claimed > _SPREAD * size:
            raise ValueError(
                f"its tensors up to {shown(name)} claim {claimed:,} bytes and it stores {size:,}"
            )


def _claimed(place: _Place, starts: Mapping[int, Record]) -> int:
    """Bytes that a tensor's elements would need if each of them were stored."""
    itemsize = _DTYPES.get(place.dtype)
    if itemsize is None:
        raise ValueError(f"is {shown(place.dtype)}, which is not replayed")
    numbers = (*place.shape, *place.stride, place.offset, place.size)
    if min(numbers) < 0 or len(place.shape) != len(place.stride) or len(place.shape) > 64:
        raise ValueError("has a shape that nothing can hold")
    elements = 1
    for count in place.shape:
        elements *= count
    if not elements:
        return 0
    record = starts.get(place.start)
    if record is None or place.size > record.size:
        raise ValueError(f"claims a storage of {place.size:,} bytes that is not in the file")
    last = place.offset + sum(
        (n - 1) * step for n, step in zip(place.shape, place.stride, strict=True)
    )
    if (last + 1) * itemsize > place.size:
        raise ValueError(f"reaches beyond its storage of {place.size:,} bytes")
    return elements * itemsize


def _tensor(content: bytearray | mmap.mmap, place: _Place) -> Tensor:
    import torch

    dtype: torch.dtype = getattr(torch, place.dtype)
    if 0 in place.shape:
        return torch.empty(place.shape, dtype=dtype)
    whole = place.size - place.size % dtype.itemsize
    stored = torch.frombuffer(content, dtype=torch.uint8, count=whole, offset=place.start)
    if place.start % dtype.itemsize:
        stored = stored.clone()
    return stored.view(dtype).as_strided(place.shape, place.stride, place.offset)
