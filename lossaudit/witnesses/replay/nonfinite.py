"""NaN and infinities among weights: one pass at the speed of memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 1 << 18
"""Elements at a time; what is computed of them stays in the processor's cache."""


def nonfinite_counts(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Tensor -> how many of its elements are NaN or infinite; only those that have any."""
    counts = ((name, _nonfinite(t)) for name, t in tensors.items() if t.is_floating_point())
    return {name: count for name, count in counts if count}


def _nonfinite(tensor: Tensor) -> int:
    """The largest and the least value of a block are finite only where all of its values are."""
    import torch

    count = 0
    for block in torch.split(tensor.detach().reshape(-1), _BLOCK):
        if block.numel() and not all(bool(m.isfinite()) for m in torch.aminmax(block)):
            count += block.numel() - int(torch.isfinite(block).sum())
    return count
