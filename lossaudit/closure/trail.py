"""Trailing means of columns, block after block: what `--aggregate TOTAL=trailing:W` averages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct, field
from numpy.lib.stride_tricks import sliding_window_view

from lossaudit.model.table import Bools, Floats


class Trail(Struct):
    """The last rows of every column, so that the next block's means can reach back.

    Args:
        window: rows of each mean; 0 where nothing is averaged.

    Attributes:
        rows: how many rows went by.
    """

    window: int = 0
    rows: int = 0
    _last: dict[str, Floats] = field(default_factory=dict)
    _held: dict[str, Bools] = field(default_factory=dict)

    def is_full(self, count: int) -> bool:
        """Whether each of the next rows has a whole window."""
        return self.rows >= self.window - 1 or count == 0

    def partial(self, count: int) -> Bools:
        """Which of the next rows have less than a whole window, shape (count,)."""
        return np.arange(self.rows, self.rows + count) < self.window - 1

    def gathered(self, count: int) -> Floats:
        """Roundings that a mean which is updated row by row has gathered, for the next rows."""
        if not self.window:
            return np.zeros(())
        return np.arange(self.rows, self.rows + count, dtype=np.float64)

    def joined(self, tag: str, values: Floats) -> Floats:
        """A column's next values behind those that their windows reach back to."""
        if not self.window:
            return values
        known = self._last.get(tag, np.zeros(0))
        missing = np.full(self.window - 1 - len(known), np.nan)
        return np.concatenate([missing, known, values])

    def held(self, tag: str, present: Bools) -> Bools:
        """Which of the next rows have the column's value on every row of their window."""
        if not self.window or not len(present):
            return present
        return np.asarray(sliding_window_view(self._joined_held(tag, present), self.window).all(1))

    def means(self, values: Floats, half: Floats, count: int) -> tuple[Floats, Floats]:
        """Trailing means of values and of their half-widths, for the last `count` rows."""
        if not self.window:
            return values, half
        half = np.broadcast_to(half, values.shape)
        mean, spread = (
            sliding_window_view(c, self.window)[-count:].mean(axis=1) if count else c[:0]
            for c in (values, half)
        )
        return mean, spread

    def pass_on(
        self, columns: Mapping[str, Floats], present: Mapping[str, Bools], count: int
    ) -> None:
        """Remember the end of a block."""
        self.rows += count
        if self.window > 1:
            reach = -(self.window - 1)
            for tag, values in columns.items():
                self._held[tag] = self._joined_held(tag, present[tag])[reach:]
                self._last[tag] = self.joined(tag, values)[reach:]

    def _joined_held(self, tag: str, present: Bools) -> Bools:
        known = self._held.get(tag, np.zeros(0, bool))
        unknown = np.ones(self.window - 1 - len(known), bool)  # `partial` bars these rows
        return np.concatenate([unknown, known, present])
