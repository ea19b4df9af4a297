"""Tensors of any size, seen in blocks of rows that stay in a processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 32_000
"""Numbers of a block: below torch's grain size of 32,768, so that every operation on it runs in one
thread and gives the same bits whatever the number of threads."""


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
    for start in range(0, shape[0], step):
        yield tuple(view[start : start + step] for view in views)
