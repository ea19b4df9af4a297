"""A log's course for plots: thinned columns that keep the worst residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from lossaudit.model.table import Floats

MOST_POINTS = 240


@dataclass(frozen=True, slots=True)
class Series:
    """Aligned columns, all of shape (N,), in file order."""

    values: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))

    def columns(self) -> dict[str, list[float]]:
        """As plain lists, for reports."""
        return {name: column.tolist() for name, column in self.values.items()}


def thin(parts: Sequence[Series]) -> Series:
    """Join stretches and keep at most 240 points: the worst residual of each bucket."""
    filled = [p for p in parts if len(p)]
    if not filled:
        return Series()
    shared = [n for n in filled[0].values if all(n in p.values for p in filled)]
    joined = {n: np.concatenate([p.values[n] for p in filled]) for n in shared}
    count = len(joined["step"])
    if count <= MOST_POINTS:
        return Series(joined)
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.nan_to_num(np.abs(joined["residual"]) / joined["tolerance"], nan=np.inf)
    edges = np.linspace(0, count, MOST_POINTS + 1).astype(np.int64)
    kept = np.array([a + int(np.argmax(excess[a:b])) for a, b in pairwise(edges)])
    return Series({name: column[kept] for name, column in joined.items()})
