"""How long the certified weights of a long log take: the fold alone, without reading or deciding.

python benchmarks/weights.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from measure import Row

from lossaudit.closure.program import WeightRows
from lossaudit.closure.weight_fold import WeightFold

COUNT = 1_000_000
BLOCK = 1 << 14  # as the engine's


def inequalities(weights: np.ndarray) -> WeightRows:
    """Rows with four decimals that follow the formula."""
    random = np.random.default_rng(len(weights))
    terms = np.round(np.exp(random.normal(size=(COUNT, len(weights)))), 4)
    half = np.full(COUNT, 5e-5)
    return WeightRows(
        np.round(terms @ weights, 4), terms, half, np.full(terms.shape, 5e-5), np.sign(weights)
    )


def rows() -> Iterator[Row]:
    """One row for each number of terms."""
    for count, bound in ((2, 2.0), (12, None)):
        data, steps = inequalities(np.geomspace(0.5, 20, count)), np.arange(COUNT)
        start = time.perf_counter()
        fold = WeightFold()
        for first in range(0, COUNT, BLOCK):
            part = slice(first, first + BLOCK)
            fold.update(data.part(part), steps[part])
        (found,) = fold.result()
        taken = time.perf_counter() - start
        if not found.box.complete:
            raise SystemExit("some row was found to disagree with the rest")
        what = f"certified weights of {count} terms, {COUNT:,} rows, in seconds"
        yield Row(what, f"{taken:.2f} s", taken, bound)


if __name__ == "__main__":
    for row in rows():
        print(row.in_markdown())
