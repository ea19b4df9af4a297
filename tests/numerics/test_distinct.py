"""`distinct` is NumPy's `unique`."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import integers

from lossaudit.model.table import Ints
from lossaudit.numerics.distinct import distinct


@given(arrays(np.int64, integers(0, 20), elements=integers(-3, 3)))
def test_it_is_unique_of_numpy(values: Ints) -> None:
    assert distinct(values).tolist() == np.unique(values).tolist()
    assert distinct(values / 2).tolist() == np.unique(values / 2).tolist()
