"""Arrays come back from the spool as they were put."""

from __future__ import annotations

import numpy as np
import pytest

from lossaudit.model.spool import Spool, Steps

MOST = 2**63 - 1


@pytest.mark.parametrize(
    "numbers",
    [
        [],
        [7],
        [-3],
        [MOST],
        [-MOST - 1, MOST],
        [MOST - 1, MOST],
        [5, 6, 7, 8],
        [1, 4, 7, 10],
        [-6, -4, -2],
        [3, 3, 3],
        [3, 2, 1],
        [0, 2, 3, 6],
        list(range(2**20 - 3, 2**20 + 3)),
    ],
)
@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_whole_numbers_come_back(numbers: list[int], budget: int) -> None:
    spool = Spool(budget)
    found = spool.get(spool.put(np.array(numbers, np.int64)))
    assert found.dtype == np.int64
    assert found.tolist() == numbers


@pytest.mark.parametrize("step", [1, 3, 48])
def test_whole_numbers_that_rise_evenly_take_no_memory(step: int) -> None:
    assert isinstance(Spool(0).put(np.arange(5, 5 + 9 * step, step)), range)


FLOATS = [
    [],
    [3.0],
    [-0.0],
    [-0.0, 1.0, 2.0],
    [-1.0, -0.0, 1.0],
    [0.0, 1.0, 2.0],
    [0.0, 1.0, 2.0, 2.5, 4.0],
    [0.5, 1.5, 2.5],
    [0.0, np.nan, 2.0],
    [np.nan, 1.0],
    [0.0, np.inf],
    [5.0, 5.0],
    [2.0**53 - 2, 2.0**53 - 1],
    [2.0**53 - 1, 2.0**53, 2.0**53 + 2],
    [1e300, 2e300],
]


@pytest.mark.parametrize("numbers", FLOATS)
@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_floats_come_back_to_the_bit(numbers: list[float], budget: int) -> None:
    spool = Spool(budget)
    put = np.array(numbers, np.float64)
    found = spool.get(spool.put(put))
    assert (found.dtype, found.tobytes()) == (put.dtype, put.tobytes())


@pytest.mark.parametrize("step", [1, 3, 48])
def test_a_column_of_steps_takes_no_memory(step: int) -> None:
    spool, steps = Spool(0), np.arange(5.0, 5 + 1000 * step, step)
    kept = spool.put(steps)
    assert isinstance(kept, Steps)
    assert spool.get(kept).tobytes() == steps.tobytes()
