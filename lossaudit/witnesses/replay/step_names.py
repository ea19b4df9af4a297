"""The step of a checkpoint, as its name tells it."""

from __future__ import annotations

import re
from pathlib import PurePath

_FOLDER = re.compile(r"(?:\A|[_.-])(?:checkpoint-|(?:global_?)?step[-_=]?)(\d{1,18})\Z")
_FILE = re.compile(r"(?:\A|[_.-])(?:(?:global_?)?step[-_=]|[A-Za-z]\w*-)(\d{1,18})\Z")


def step_of(path: str) -> int | None:
    """`checkpoint-300` and files in it, `unet-300.pth`, `epoch=3-step=300.ckpt`; else None.

    accelerate numbers its own folders `checkpoint_0`, `checkpoint_1`, ...: those are counts.

    Example:
        >>> step_of("run/checkpoint-300/unet"), step_of("run/unet-300.pth")
        (300, 300)
    """
    pure = PurePath(path)
    stem = re.sub(
        r"(-\d{5}-of-\d{5})?\.(safetensors|bin|pth|pt|ckpt)(\.index\.json)?\Z", "", pure.name
    )
    if stem != pure.name and (match := _FILE.search(stem)):
        return int(match[1])
    for part in [pure.name, *(p.name for p in list(pure.parents)[:2])]:
        if match := _FOLDER.search(part):
            return int(match[1])
    return None
