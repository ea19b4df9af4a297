"""Rows and the rows next to them: pairs whose steps are at the log's usual distance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from lossaudit.closure.decide import Block
from lossaudit.closure.panel import Panel
from lossaudit.closure.trial import Trial
from lossaudit.model.table import Bools, Floats, Ints


class Judged(Struct, frozen=True):
    """Rows with what the declared formula makes of them; all arrays of shape (N,).

    Attributes:
        step: as displayed.
        block: their intervals, as the columns were likely written.
        refuted, residual: of the declared formula.
    """

    step: Ints
    block: Block
    refuted: Bools
    residual: Floats

    def part(self, places: Ints) -> Judged:
        """Some of the rows."""
        arrays = [a[places] for a in _unpacked(self.block)]
        block = _packed(self.block, arrays)
        return Judged(self.step[places], block, self.refuted[places], self.residual[places])

    def after(self, earlier: Judged) -> Judged:
        """These rows behind others."""
        both = zip(_unpacked(earlier.block), _unpacked(self.block), strict=True)
        block = _packed(self.block, [np.concatenate(pair) for pair in both])
        step, refuted, residual = (
            np.concatenate([getattr(earlier, n), getattr(self, n)])
            for n in ("step", "refuted", "residual")
        )
        return Judged(step, block, refuted, residual)


def neighbours(trial: Trial) -> Iterator[tuple[Judged, Judged]]:
    """All pairs of neighbouring rows, the earlier ones and the later ones, block after block.

    Where steps are known, a restart, a gap and a repeated step part two rows; where they are not,
    any two rows that follow one another are neighbours.
    """
    panel, spacing = Panel(trial.binding.declared, []), trial.spacing
    if spacing is not None and not spacing.usual:
        return
    last: Judged | None = None
    for rows, prepared in trial.blocks():
        if not len(rows):
            continue
        decision = panel.judge(prepared, [])[0].decision
        refuted = decision.refuted & ~decision.nonfinite
        judged = Judged(rows.step, prepared.block, refuted, decision.residual)
        judged = judged if last is None else judged.after(last)
        last = judged.part(np.array([len(judged.step) - 1]))
        next_to = np.ones(len(judged.step) - 1, bool)
        if spacing is not None:
            next_to = np.diff(judged.step) == spacing.usual
        places = np.flatnonzero(next_to)
        if len(places):
            yield judged.part(places), judged.part(places + 1)


def _unpacked(block: Block) -> list[NDArray[Any]]:
    """All arrays of a block, of shape (N,) each."""
    arrays = [block.total, block.total_half, block.decidable, block.arithmetic.extra_roundings]
    for column in block.columns.values():
        arrays += [column.value, column.radius, column.magnitude, column.floor]
    arrays += block.present.values()
    return [np.broadcast_to(a, block.total.shape) for a in arrays]


def _packed(like: Block, arrays: Sequence[NDArray[Any]]) -> Block:
    """The block of such arrays, in the order of `_unpacked`."""
    left = iter(arrays)
    total, half, decidable, extra = (next(left) for _ in range(4))
    columns = {}
    for name, column in like.columns.items():
        value, radius, magnitude, floor = (next(left) for _ in range(4))
        columns[name] = replace(
            column, value=value, radius=radius, magnitude=magnitude, floor=floor
        )
    present = {name: next(left) for name in like.present}
    arithmetic = replace(like.arithmetic, extra_roundings=extra)
    return Block(total, half, columns, present, decidable, arithmetic)
