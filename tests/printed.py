"""How programs print one column in more than one way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

Print = Callable[[float], str]


def keras(value: float) -> str:
    """Keras' progress bar: four decimals, or scientific from 1e-3 downwards."""
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"


def torch_tensor(value: float) -> str:
    """The number of a printed torch tensor: four decimals, or scientific below 1e-4."""
    return str(torch.tensor(value, dtype=torch.float32)).removeprefix("tensor(").removesuffix(")")


def tqdm_number(value: float) -> str:
    """tqdm's postfix, `format_num`: `%.3g` without zeros in the exponent, unless that is longer."""
    short = f"{value:.3g}".replace("e+0", "e+").replace("e-0", "e-")
    return short if len(short) < len(str(value)) else str(value)


def float16_text(value: float) -> str:
    """A number that went through float16, printed as NumPy does: the fewest digits that tell it."""
    return str(np.float16(value))


def bfloat16_number(value: float) -> str:
    """What `tensor.to(torch.bfloat16).item()` is, in full."""
    return repr(torch.tensor(value).to(torch.bfloat16).item())


def round_to(decimals: int) -> Print:
    """`round(value, 4)`, for example."""
    return lambda value: repr(round(value, decimals))


def fixed(decimals: int) -> Print:
    """`%.4f`, for example."""
    return lambda value: f"{value:.{decimals}f}"


def significant(digits: int) -> Print:
    """`%.4g`, for example."""
    return lambda value: f"{value:.{digits}g}"


def resumed(before: Print, after: Print, split: int) -> Callable[[Sequence[float]], list[str]]:
    """A run that printed in one way up to some row, and in another when it went on."""

    def write(values: Sequence[float]) -> list[str]:
        return [*map(before, values[:split]), *map(after, values[split:])]

    return write


def alike(write: Print) -> Callable[[Sequence[float]], list[str]]:
    """All values in one way, which may look at their size."""
    return lambda values: list(map(write, values))
