"""A total that is a running mean is told from a wrong one, and excuses nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lossaudit.closure.examine import examine
from lossaudit.closure.verdict import judge
from lossaudit.model.finding import Verdict
from lossaudit.model.log import Log
from lossaudit.model.table import Column, Floats, Table
from lossaudit.spec.load import spec_from_formula

ROWS = 200
RNG = np.random.default_rng(7)
A, B = (RNG.uniform(0.2, 1.0, ROWS).astype(np.float32).astype(float) for _ in "ab")
RIGHT = (2 * A + B).astype(np.float32).astype(float)

Total = Callable[[], Floats]


def since(begun: list[int], window: int = ROWS) -> Floats:
    """The mean of the last rows, but of none before the last of `begun`."""
    firsts = [max(b for b in begun if b <= i) for i in range(ROWS)]
    return np.array([RIGHT[max(f, i + 1 - window) : i + 1].mean() for i, f in enumerate(firsts)])


def judged(total: Floats) -> tuple[Verdict, str]:
    columns = {"step": np.arange(ROWS, dtype=float), "loss": total, "a": A, "b": B}
    table = {t: Column(t, v, np.arange(ROWS), "float64") for t, v in columns.items()}
    log = Log.of(Table("log", table, np.arange(1, ROWS + 1)))
    return judge(examine(spec_from_formula("loss = 2.0*a + b"), log))


RUNNING: dict[str, tuple[Total, str]] = {
    "window": (lambda: since([0], 20), "over the last 20 rows"),
    "window, resumed": (lambda: since([0, 90], 20), "over the last 20 rows, begun anew once"),
    "since the start": (lambda: since([0]), "over all rows since it was begun"),
    "epochs": (lambda: since([0, 60, 120, 180]), "since it was begun, begun anew 3 times"),
}

WRONG: dict[str, Total] = {
    "a tenth of the rows": lambda: np.where(np.arange(ROWS) % 10 == 3, 1.01 * RIGHT, RIGHT),
    "another course": lambda: np.cumsum(RNG.normal(0, 0.01, ROWS)) + 1.8,
    "shuffled": lambda: RNG.permutation(RIGHT),
    "a window and one wrong row": lambda: since([0], 20) + 0.01 * (np.arange(ROWS) == 150),
    "begun anew on every other row": lambda: since(list(range(0, ROWS, 2))),
}


@pytest.mark.parametrize("name", RUNNING)
def test_running_mean_is_told_with_its_restarts(name: str) -> None:
    total, says = RUNNING[name]
    verdict, reason = judged(total())
    assert verdict is Verdict.INCONCLUSIVE, reason
    assert says in reason


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_running_mean_is_not_excused(name: str) -> None:
    assert judged(WRONG[name]())[0] is Verdict.FAIL
