"""In which numbers a GPU multiplies float32, and by which algorithms, while a pass runs on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

IEEE = "ieee"
TF32 = "tf32"


@contextmanager
def held(tf32: bool, products: bool) -> Iterator[None]:
    """Convolutions and matrix products each in TF32 or in float32, cuDNN repeatable.

    Whatever the process, or code that it imported, has set: a pass that is called float32 and took
    TF32 inputs would be compared with float64 as if float32 rounded so much. Afterwards all is as
    it was, in torch's old and in its new flags, which refuse to be read where they contradict each
    other; so only the new ones are touched.

    Args:
        tf32: whether convolutions take TF32 inputs, as cuDNN's do by default since Ampere.
        products: whether matrix products do, by default none does.
    """
    import torch

    cudnn: Any = torch.backends.cudnn
    kinds: dict[Any, bool] = {cudnn.conv: tf32, torch.backends.cuda.matmul: products}
    before = {kind: kind.fp32_precision for kind in kinds}
    switches = cudnn.enabled, cudnn.benchmark, cudnn.deterministic
    try:
        for kind, lowered in kinds.items():
            kind.fp32_precision = TF32 if lowered else IEEE
        # Of cuDNN's algorithms only those that give the same sums each time: decisions/0021.
        cudnn.enabled, cudnn.benchmark, cudnn.deterministic = True, False, True
        yield
    finally:
        for kind, precision in before.items():
            kind.fp32_precision = precision
        cudnn.enabled, cudnn.benchmark, cudnn.deterministic = switches
