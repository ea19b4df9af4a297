"""Tensors of any size, seen in blocks of rows that stay in a processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BLOCK = 1 << 18
"""Numbers of a block: large enough that threads seldom wait for one another to call torch, small
enough for a cache."""

LARGE = 1 << 24
"""Elements of a prediction beyond which torch's own function is not called, since it needs three to
five times the tensor's memory, and beyond which reading it takes longer than everything else."""

BLOCK_ELSEWHERE = 1 << 22
"""The same on a GPU, where a block must keep all cores busy."""

GRAIN = 32768
"""Elements below which torch uses one thread (`at::internal::GRAIN_SIZE`)."""


def split(views: Sequence[Tensor], dims: int, most: int) -> Iterator[tuple[Tensor, ...]]:
    """Views of the same leading dimensions, in blocks of at most `most` rows, in their order.

    Args:
        views: tensors whose first `dims` dimensions are the same.
        dims: how many dimensions count rows; with 0 there is a single row.
        most: rows of a block, at least 1.

    Yields:
        The same views, narrowed; nothing is copied.
    """
    if dims > 1 and all(view.is_contiguous() for view in views):
        views, dims = [view.flatten(0, dims - 1) for view in views], 1
    shape = views[0].shape[:dims]
    rows = shape.numel()
    if rows <= most:
        if rows:
            yield tuple(views)
        return
    inner = rows // shape[0]
    if inner >= most and dims > 1:
        for i in range(shape[0]):
            yield from split([view[i] for view in views], dims - 1, most)
        return
    step = max(1, most // inner)
    yield from zip(*(view.split(step) for view in views), strict=True)  # type: ignore[no-untyped-call]


class Scratch:
    """Memory in which blocks become float64, used again for the next block.

    Args:
        converted: a dtype to which every number is rounded first; None: none.
    """

    def __init__(self, converted: str | None = None) -> None:
        self._converted = converted
        self._memory: list[Tensor] = []
        self._used = 0

    def begin(self) -> None:
        """Take all memory back."""
        self._used = 0

    def doubled(self, block: Tensor) -> Tensor:
        """The block in float64, in memory that is ours until `begin`.

        float16 goes through float32, for which processors have an instruction.
        """
        import torch

        if self._converted is not None:
            block = block.to(getattr(torch, self._converted))
        if block.dtype is torch.float16:
            block = self._lent(block, torch.float32).copy_(block)
        return self._lent(block, torch.float64).copy_(block)

    def single(self, block: Tensor) -> Tensor:
        """Uninitialised float32 of the block's shape, ours until `begin`."""
        import torch

        return self._lent(block, torch.float32)

    def _lent(self, block: Tensor, dtype: torch.dtype) -> Tensor:
        import torch

        at, self._used = self._used, self._used + 1
        if at == len(self._memory):
            self._memory.append(torch.empty(0, dtype=dtype, device=block.device))
        memory = self._memory[at]
        if memory.shape == block.shape:
            return memory
        count = block.numel()
        if memory.numel() < count:
            size = max(count, BLOCK)
            memory = self._memory[at] = torch.empty(size, dtype=dtype, device=block.device)
        return memory[:count].view(block.shape)
