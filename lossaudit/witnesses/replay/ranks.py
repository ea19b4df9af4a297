"""Work spread over the ranks of `torchrun`, and its results back on every rank, in order.

Each item is worked on by one rank alone, so what it gives does not depend on how many ranks there
are. Items that are neighbours (pairs of one checkpoint) go to one rank, so that weights are loaded
as seldom as possible. What travels between ranks is a few numbers an item, on the CPU by gloo: a
GPU is used for the work, not for telling of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from msgspec import Struct

from lossaudit.errors import LossauditError

T = TypeVar("T")
R = TypeVar("R")

JOINING = timedelta(minutes=5)
"""For all ranks to come up: a shell may have inherited a launcher's variables, and be alone."""

PATIENCE = timedelta(hours=2)
"""For the slowest rank, unless the user says otherwise; one that ends is noticed at once."""


class RankError(LossauditError):
    """A rank ended, or hangs, before it gave its part of the result."""

    exit_code = 4


class Ranks(Struct, frozen=True):
    """The processes that share the work; a single one where nobody launched more.

    Attributes:
        rank: this process, from 0.
        count: how many there are.
        group: of torch.distributed, over which they tell each other; None where there is one.
    """

    rank: int = 0
    count: int = 1
    group: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this process reports."""
        return self.rank == 0

    def spread(self, items: Sequence[T], work: Callable[[int, T], R]) -> list[R]:
        """`work(place, item)` for every item, each on one rank.

        Returns:
            All results in the order of the items, on every rank.

        Raises:
            RankError: if another rank fails or ends. What `work` raises here is raised here, after
                the others were told.
        """
        if self.count == 1:
            return [work(i, item) for i, item in enumerate(items)]
        mine, error = list[R](), None
        # a bug ends this process, which the others notice as they would a kill
        for i in range(*share_of(self.rank, self.count, len(items))):
            try:
                mine.append(work(i, items[i]))
            except LossauditError as caught:
                error = caught
                break
        parts = self._gather((mine, str(error) if error else ""))
        if error is not None:
            raise error
        for rank, (_, said) in enumerate(parts):
            if said:
                raise RankError(f"rank {rank} failed: {said.splitlines()[0]}")
        return [result for results, _ in parts for result in results]

    def _gather(self, own: Any) -> list[Any]:
        import torch.distributed as dist

        parts: list[Any] = [None] * self.count
        try:
            dist.all_gather_object(parts, own, self.group)
        except RuntimeError as error:
            told = str(error).splitlines()[0][:200]
            raise RankError(
                f"a rank ended, or hangs, before it gave its part ({told})",
                expected=f"results of all {self.count} ranks",
                hint="look at the messages of the other ranks; one may have run out of memory, or "
                "need longer than --rank-timeout",
            ) from None
        return parts


def share_of(rank: int, count: int, items: int) -> tuple[int, int]:
    """(first, stop) of a rank's items: contiguous, and as many as the others' or one more."""
    base, more = divmod(items, count)
    start = rank * base + min(rank, more)
    return start, start + base + (rank < more)


@contextmanager
def launched_ranks(patience: timedelta = PATIENCE) -> Iterator[Ranks]:
    """The ranks that `torchrun` launched, for the length of the work.

    Args:
        patience: how long a rank waits for the others; one that hangs is an error then.

    Raises:
        RankError: if they cannot find one another.
    """
    world = os.environ.get("WORLD_SIZE", "")
    if not (os.environ.get("TORCHELASTIC_RUN_ID") or os.environ.get("MASTER_ADDR")) or (
        not world.isdecimal() or int(world) < 2
    ):
        yield Ranks()
        return
    import torch.distributed as dist

    try:
        dist.init_process_group("gloo", timeout=JOINING)
        group = dist.new_group(timeout=patience, backend="gloo")
    except (RuntimeError, ValueError) as error:
        raise RankError(
            f"the ranks cannot be joined: {str(error).splitlines()[0][:200]}",
            expected=f"WORLD_SIZE={world} processes, as torchrun launches them",
            hint="`env -u WORLD_SIZE lossaudit ...` runs alone",
        ) from None
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size(), group)
    finally:
        dist.destroy_process_group()
