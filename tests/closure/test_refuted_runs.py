from __future__ import annotations

from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lossaudit.audit import check_logs
from lossaudit.closure.refuted_runs import MOST_RUNS, RefutedRuns
from lossaudit.model.result import StepRange
from lossaudit.spec.load import spec_from_formula

Row = tuple[bool, bool]
"""Decided, and then refuted."""


def runs_of(rows: list[Row]) -> list[StepRange]:
    """By hand: the runs of refuted rows among the decided ones; row k has step 10*k."""
    decided = [(10 * k, refuted) for k, (is_decided, refuted) in enumerate(rows) if is_decided]
    found = []
    for refuted, group in groupby(decided, key=lambda row: row[1]):
        steps = [step for step, _ in group]
        if refuted:
            found.append(StepRange(steps[0], steps[-1], len(steps)))
    return found[:MOST_RUNS]


def folded(rows: list[Row], cuts: list[int]) -> RefutedRuns:
    fold = RefutedRuns()
    edges = sorted({0, len(rows), *(c % (len(rows) + 1) for c in cuts)})
    for a, b in pairwise(edges):
        decided = np.array([d for d, _ in rows[a:b]], bool)
        refuted = np.array([d and r for d, r in rows[a:b]], bool)
        fold.update(10 * np.arange(a, b), decided, refuted)
    return fold


ROWS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40)


@given(ROWS, st.lists(st.integers(0, 40), max_size=5))
def test_blocks_of_any_size_give_the_runs_of_the_whole(rows: list[Row], cuts: list[int]) -> None:
    assert list(folded(rows, cuts).result()) == runs_of(rows)


@given(ROWS, ROWS, st.lists(st.integers(0, 40), max_size=3))
def test_merged_folds_give_the_runs_of_the_whole(
    one: list[Row], two: list[Row], cuts: list[int]
) -> None:
    first, second = folded(one, cuts), RefutedRuns()
    decided = np.array([d for d, _ in two], bool)
    refuted = np.array([d and r for d, r in two], bool)
    second.update(10 * np.arange(len(one), len(one) + len(two)), decided, refuted)
    first.merge(second)
    assert list(first.result()) == runs_of([*one, *two])


def test_only_so_many_are_kept() -> None:
    rows = [(True, k % 2 == 0) for k in range(4 * MOST_RUNS)]
    for cuts in ([], [150, 151, 302]):
        assert list(folded(rows, cuts).result()) == runs_of(rows)
    assert len(runs_of(rows)) == MOST_RUNS


def test_the_ranges_of_a_log_are_those_of_its_violating_rows(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    wrong = {*range(30, 40), 45}
    lines = [
        f"{7 * k},{3.5 + (k in wrong)},{1.0 + k % 2 / 4}," + f"{1.5 - k % 2 / 2}" for k in range(60)
    ]
    log.write_text("step,loss,a,b\n" + "\n".join(lines) + "\n")
    (witness,) = check_logs(spec_from_formula("loss = 2*a + b"), [str(log)]).witnesses
    assert witness.violations == 11
    assert witness.violation_ranges == (StepRange(210, 273, 10), StepRange(315, 315, 1))
