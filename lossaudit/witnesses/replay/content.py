"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

from typing import Literal

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.opened_file import OpenedFile

Kind = Literal["safetensors", "zip", "pickle", "json", "other"]

CONVERT = 'load it and save it again: safetensors.torch.save_file(state_dict, "model.safetensors")'
"""How a file that is not read becomes one that is, for those who trust it."""

_TRUSTED = f"where you trust it, {CONVERT}"

_LFS = b"version https://git-lfs.github.com/spec/"
_NAMED = (
    (b"\x89HDF\r\n", 0, "an HDF5 file"),
    (b"GGUF", 0, "a GGUF file"),
    (b"ustar", 257, "a tar archive, as torch wrote before 0.1.10"),
    (b"\x1f\x8b", 0, "compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", 0, "compressed with zstd"),
    (b"\x93NUMPY", 0, "a NumPy array"),
    (b"<!", 0, "a web page, as a failed download leaves it"),
    (b"<html", 0, "a web page, as a failed download leaves it"),
)


def kind_of(opened: OpenedFile) -> Kind:
    """Which of the formats that are read a file is in.

    Raises:
        InputError: if it is empty, a git-LFS pointer, or in a format that is not read.
    """
    head = opened.read(0, 512)
    if not head:
        raise InputError("is empty", where=opened.path, expected="weights or tensors")
    if head.startswith(_LFS):
        raise InputError(
            "is a git-LFS pointer, a few lines in the place of the file",
            where=opened.path,
            expected="the file itself",
            hint="git lfs pull",
        )
    for magic, at, what in _NAMED:
        if head[at : at + len(magic)] == magic:
            raise InputError(
                f"is {what}", where=opened.path, expected="a safetensors file", hint=_TRUSTED
            )
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head[8:9] == b"{":
        return "safetensors"
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return "pickle"
    return "json" if head.lstrip().startswith(b"{") else "other"


def refuse_others(opened: OpenedFile) -> None:
    """Say what a file is that should be a safetensors file.

    Raises:
        InputError: if it is a pickle or anything that `kind_of` refuses.
    """
    kind = kind_of(opened)
    if kind in ("zip", "pickle"):
        raise InputError(
            "is a pickle, which can run code, and not a safetensors file",
            where=opened.path,
            expected="a safetensors file",
            hint=_TRUSTED,
        )
