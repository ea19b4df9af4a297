"""The state of every random generator that is loaded, as text, and back.

With the state before a step's forward pass its draws can be made again: sampled latents, dropout.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import random
import struct
import sys
from typing import Any

from lossaudit.errors import InputError

_WORDS = 624
"""32-bit words of a Mersenne twister, which Python and NumPy both use."""


def random_state() -> str:
    """JSON: torch's generators on the CPU and, where CUDA is in use, on each device; Python's;
    NumPy's global one where it is loaded and a Mersenne twister.

    Nothing is initialised and no device is waited for.
    """
    import torch

    state: dict[str, Any] = {"torch": _encoded(bytes(torch.get_rng_state().tolist()))}
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        state["cuda"] = [
            _encoded(bytes(torch.cuda.get_rng_state(device).tolist()))
            for device in range(torch.cuda.device_count())
        ]
    _, words, gauss = random.getstate()
    state["python"] = {"words": _packed(words[:-1]), "position": words[-1], "gauss": gauss}
    if of_numpy := sys.modules.get("numpy.random"):
        name, keys, position, has_gauss, gauss = of_numpy.get_state()
        if name == "MT19937":
            kept = gauss if has_gauss else None
            state["numpy"] = {"words": _packed(keys.tolist()), "position": position, "gauss": kept}
    return json.dumps(state, sort_keys=True, separators=(",", ":"))


def restore_random_state(text: str) -> None:
    """Set all generators that `text` has, as `random_state` gave it.

    CUDA's are set where there are as many devices; the text of another machine may have others.

    Raises:
        InputError: if the text is no such state; then no generator has changed.
    """
    import torch

    try:
        state = json.loads(text)
        on_cpu = torch.Generator()
        on_cpu.set_state(_bytes_tensor(state["torch"]))
        devices = [_bytes_tensor(device) for device in state.get("cuda", [])]
        words, position, gauss = _twister(state["python"])
        of_numpy = _twister(state["numpy"]) if "numpy" in state else None
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, RecursionError) as error:
        raise InputError(
            f"not the state of random generators: {type(error).__name__}",
            expected="the text that a recorder wrote as `rng`",
        ) from None
    torch.set_rng_state(on_cpu.get_state())
    if devices and torch.cuda.is_available() and torch.cuda.device_count() == len(devices):
        for number, device in enumerate(devices):
            torch.cuda.set_rng_state(device, number)
    random.setstate((3, (*words, position), gauss))
    if of_numpy and (numpy := sys.modules.get("numpy")):
        words, position, gauss = of_numpy
        keys = numpy.array(words, numpy.uint32)
        numpy.random.set_state(("MT19937", keys, position, gauss is not None, gauss or 0.0))


def _encoded(state: bytes) -> str:
    return base64.b64encode(state).decode()


def _packed(words: Any) -> str:
    return _encoded(struct.pack(f"<{_WORDS}I", *words))


def _bytes_tensor(text: str) -> Any:
    import torch

    return torch.tensor(list(_decoded(text)), dtype=torch.uint8)


def _decoded(text: str) -> bytes:
    if len(text) > 1 << 16:
        raise ValueError("too long")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _twister(state: dict[str, Any]) -> tuple[tuple[int, ...], int, float | None]:
    """Words, position and the kept normal deviate, checked: generators read beyond bad ones."""
    try:
        words = struct.unpack(f"<{_WORDS}I", _decoded(state["words"]))
    except struct.error as error:
        raise ValueError(str(error)) from None
    position, gauss = state["position"], state["gauss"]
    if type(position) is not int or not 0 <= position <= _WORDS:
        raise ValueError("position")
    if gauss is not None and not (type(gauss) is float and math.isfinite(gauss)):
        raise ValueError("gauss")
    return words, position, gauss
