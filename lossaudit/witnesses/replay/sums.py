"""The losses of all rows, block by block in float64, added up exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise, repeat
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec import Struct

from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.blocks import BLOCK, BLOCK_ELSEWHERE, GRAIN, LARGE, Scratch, split
from lossaudit.witnesses.replay.mapped_pages import MappedPages, droppable_storages
from lossaudit.witnesses.replay.rounding import Sums
from lossaudit.witnesses.replay.term_function import Operands, TermFunction, Units

if TYPE_CHECKING:
    from torch import Tensor

_MOST_WORKERS = 16
_T = TypeVar("_T")
_Block = tuple[Operands, "Tensor | None"]


class Rows(Struct, frozen=True):
    """Views of a term's tensors, rows first.

    Attributes:
        operands: see `term_function.Arranged`.
        dims: leading dimensions that count rows.
        mask: one number for each row, or None.
    """

    operands: Operands
    dims: int
    mask: Tensor | None = None

    @property
    def width(self) -> int:
        """The most numbers that one row has in a tensor."""
        return max(t.shape[self.dims :].numel() for t in self.operands.present())

    def samples(self) -> Iterator[Rows]:
        """The rows of each sample, along the first dimension."""
        if not self.dims:
            yield self
            return
        for i in range(self.operands.prediction.shape[0]):
            here = slice(i, i + 1)
            part = self.operands.each(lambda tensor, here=here: tensor[here])  # type: ignore[misc]
            yield Rows(part, self.dims, None if self.mask is None else self.mask[here])

    def blocks(self) -> Iterator[_Block]:
        """Blocks of rows with their mask."""
        given = self.operands.present()
        masks = [] if self.mask is None else [self.mask]
        size = BLOCK if given[0].device.type == "cpu" else BLOCK_ELSEWHERE
        more = [i for i, t in enumerate(self.operands) if t is not None][2:]
        for views in split([*given, *masks], self.dims, max(1, size // self.width)):
            found: list[Tensor | None] = [None, None]
            for at, view in zip(more, views[2:], strict=False):
                found[at - 2] = view
            mask = None if self.mask is None else views[-1]
            yield Operands(views[0], views[1], *found), mask


class _Part(NamedTuple):
    """What one block adds to `Sums`."""

    total: float
    magnitude: float
    error: float
    weight: float
    mask: float
    rows: int


def sum_rows(
    function: TermFunction,
    definition: Definition,
    rows: Rows,
    dtype: str,
    converted: str | None = None,
) -> Sums:
    """Sum the losses of all rows.

    Blocks are worked on by as many threads as torch has, each block by one of them, so that the
    result has the same bits whatever their number. Pages of mapped files are given back as soon as
    they have been read.

    Args:
        function, definition: the kind of loss and its parameters.
        rows: where the tensors are.
        dtype: training's, for the rows' error.
        converted: a dtype to which every number is rounded first.
    """
    units = Units(dtype)

    def work(blocks: Sequence[_Block], workers: int) -> list[_Part]:
        import torch

        scratch, pages = Scratch(converted), MappedPages(droppable, workers)
        parts = []
        with torch.inference_mode():  # holds for one thread only
            for operands, mask in blocks:
                scratch.begin()
                if in_float32:
                    parts.append(_sum_quickly(in_float32, scratch, operands))
                else:
                    parts.append(_sum_block(function, definition, units, scratch, operands, mask))
                pages.have_read(operands.present())
        pages.release()
        return parts

    large = dtype == "float32" and converted is None and _is_large_float32(rows)
    in_float32 = function.in_float32 if large else None
    droppable = droppable_storages(rows.operands.present())

    parts = list(chain.from_iterable(_shared_out(work, rows)))
    total, magnitude, error, weight, mask, count = zip(*parts, strict=True)
    return Sums(
        _added(total), _added(magnitude), _added(error), _added(weight), _added(mask), sum(count)
    )


def _is_large_float32(rows: Rows) -> bool:
    import torch

    given = rows.operands.present()
    return (
        given[0].numel() > LARGE
        and rows.mask is None
        and all(t.dtype is torch.float32 and t.device.type == "cpu" for t in given)
    )


def _sum_quickly(
    in_float32: Callable[[Operands, Tensor], Tensor], scratch: Scratch, operands: Operands
) -> _Part:
    """Half of the memory traffic: differences in float32, their sum in float64."""
    value = in_float32(operands, scratch.single(operands.prediction))
    total, count = scratch.doubled(value).sum().item(), value.numel()
    return _Part(total, total, total, count, count, count)


def _sum_block(
    function: TermFunction,
    definition: Definition,
    units: Units,
    scratch: Scratch,
    operands: Operands,
    mask: Tensor | None,
) -> _Part:
    block = operands.each(lambda t: scratch.doubled(t) if function.is_numbers(t) else t)
    value, error, weight = function.losses(block, definition, units)
    count, own_error = value.numel(), error is not value
    share = None
    if mask is not None:
        share, own_error = mask.double(), True
        value, error = _masked(value, error, share)
    total = float(value.sum())
    magnitude = total if function.positive and share is None else float(value.abs().sum())
    lost = float(error.sum()) if own_error else total
    if magnitude > units.largest and bool((value.abs() > units.largest).any()):
        lost = math.inf  # a loss overflows in training's dtype
    return _Part(
        total,
        magnitude,
        lost,
        count if weight is None else float(weight.sum()),
        count if share is None else float(share.sum()),
        count,
    )


def _masked(value: Tensor, error: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Losses times their mask; one that is not finite and not counted has an infinite error.

    Times 0 it is NaN, and to a script that picks the counted rows by index it is nothing.
    """
    import torch

    lost = (share == 0) & ~torch.isfinite(value)
    masked, sizes = value * share, (error + value.abs()) * share.abs()
    return torch.where(lost, 0.0, masked), torch.where(lost, math.inf, sizes)


def _shared_out(work: Callable[[Sequence[_Block], int], _T], rows: Rows) -> list[_T]:
    """Let threads do the work of all blocks; each of them runs torch in itself alone.

    torch would divide an operation among its own threads, which then wait for one another after
    each: on a busy machine that takes a hundred times as long, and sums depend on their number.
    """
    import torch

    blocks = list(rows.blocks())
    prediction = rows.operands.prediction
    if prediction.device.type != "cpu" or prediction.numel() < GRAIN:  # torch will not divide it
        return [work(blocks, 1)]
    threads = torch.get_num_threads()
    workers = min(threads, len(blocks), _MOST_WORKERS)
    try:
        with ThreadPoolExecutor(workers, "terms", torch.set_num_threads, (1,)) as pool:
            ends = [len(blocks) * i // workers for i in range(workers + 1)]
            parts = (blocks[a:b] for a, b in pairwise(ends))
            return list(pool.map(work, parts, repeat(workers)))
    finally:
        torch.set_num_threads(threads)  # the pool's setting is the default of new threads too


def _added(numbers: Sequence[float]) -> float:
    """The exact sum, rounded once; NaN and infinities as addition has them."""
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):  # beyond float64, or infinities of both signs
        return sum(numbers)
