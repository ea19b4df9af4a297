"""Which device a replay runs on: auto picks CUDA where it is, and says what it picked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from lossaudit.errors import UsageError
from lossaudit.rendering.safe_text import clip, escape_text

EXPECTED = "auto, cpu, cuda or cuda:N"


class Device(Struct, frozen=True):
    """A device, and what the user should know of the choice."""

    name: str
    note: str = ""


def choose_device(wanted: str) -> Device:
    """The device that is asked for; of several ranks on one machine each takes its own GPU.

    Args:
        wanted: auto, cpu, cuda or cuda:N.

    Raises:
        UsageError: if it is none of these, or that GPU is not there.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", wanted):
        raise UsageError(f"--device: {wanted!r} is no device", expected=EXPECTED)
    if wanted == "cpu":
        return Device("cpu")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto" and not count:
        return Device("cpu", "no CUDA device is there: replaying on the CPU")
    local = int(os.environ.get("LOCAL_RANK", "0") or 0) if wanted in ("auto", "cuda") else 0
    number = int(wanted[5:]) if wanted.startswith("cuda:") else local % max(count, 1)
    if number >= count:
        found = f"there are {count}" if count else "this torch finds no CUDA device"
        raise UsageError(f"--device {wanted}: {found}", expected=EXPECTED, hint="--device cpu")
    picked = f"cuda:{number}"
    name = torch.cuda.get_device_name(number)
    return Device(picked, f"replaying on {picked} ({name})" if wanted == "auto" else "")


def is_of_device(error: Exception) -> bool:
    """Whether an error says that a GPU has too little memory, or failed."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError)


@contextmanager
def told_of_device(device: str) -> Iterator[None]:
    """What a GPU has no memory for, or fails at, as an error that names the device.

    Raises:
        UsageError: in place of torch's OutOfMemoryError and AcceleratorError.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_of_device(error):
            raise
        said = str(error).partition(" Including non-PyTorch")[0].partition("\n")[0]
        raise UsageError(
            f"--device {device}: {escape_text(clip(said, 300))}",
            expected="a GPU that works and has memory for the networks and a step",
            hint="--device cpu; or another GPU, or end what else uses this one",
        ) from error
