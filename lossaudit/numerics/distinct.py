"""Distinct values."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", np.float64, np.int64)


def distinct(values: NDArray[Number]) -> NDArray[Number]:
    """The distinct values of an array without NaN, sorted.

    `np.unique` would import `numpy.ma` to ask whether the array is masked, and a short log needs
    nothing else from there.
    """
    values = np.sort(values, axis=None)
    first: NDArray[np.bool_] = np.append(True, values[1:] != values[:-1])[: len(values)]
    return np.asarray(values[first])
