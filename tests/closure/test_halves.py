"""A long log is folded in two halves: the same numbers as in one, with and without a process."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossaudit.closure import halves
from lossaudit.closure.binding import bind
from lossaudit.closure.fold import Closure
from lossaudit.closure.keys import find_keys
from lossaudit.closure.outcome import Outcome
from lossaudit.closure.rows import BLOCK
from lossaudit.closure.trial import Trial
from lossaudit.model.log import Log
from lossaudit.model.table import Column, Table
from lossaudit.spec.load import spec_from_formula
from lossaudit.spec.schema import Spec

ROWS = 4 * BLOCK + 100


def log_of(weights: np.ndarray) -> Log:
    count = len(weights)
    random, every = np.random.default_rng(count), np.arange(count)
    a, b = random.random(count), random.random(count)
    columns = {"step": every.astype(float), "loss": weights * a + b, "a": a, "b": b}
    found = {tag: Column(tag, values, every, "float64") for tag, values in columns.items()}
    return Log.of(Table("log", found, every))


def outcome(log: Log, forks: bool | None, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """What a fold finds: in halves with a process or without, or (None) in one go."""
    trial = trial_of(spec_from_formula("loss = 2*a + b", ["a + 2*b"]), log)
    binding = trial.binding
    monkeypatch.setattr(halves, "LONG", 1 if forks is not None else 1 << 60)
    monkeypatch.setattr(halves, "_may_fork", lambda: bool(forks))
    return halves.fold_trial(
        trial, lambda exact: Closure(binding.declared, binding.rivals, exact=exact)
    ).result()


def trial_of(spec: Spec, log: Log) -> Trial:
    return Trial.of(spec, log, bind(spec, log), find_keys(log))


def text(found: Outcome) -> str:
    return repr(found)


def counts(found: Outcome) -> tuple[object, ...]:
    decided = found.rows, found.declared, found.undecided, found.duplicates, found.correlated
    return decided, found.violations, found.steps, found.runs


def test_two_processes_find_the_same_bits_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(np.full(ROWS, 2.0))
    made = []
    fork = os.fork
    monkeypatch.setattr(os, "fork", lambda: made.append(fork()) or made[-1])
    apart, alone = outcome(log, True, monkeypatch), outcome(log, False, monkeypatch)
    assert len(made) == 1
    assert text(apart) == text(alone)
    with pytest.raises(ChildProcessError):
        os.waitpid(made[0], os.WNOHANG)  # it was waited for


def test_halves_find_what_the_whole_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.full(ROWS, 2.0)
    weights[[3, ROWS // 2 - 1, ROWS // 2, ROWS - 5]] = 2.5
    log = log_of(weights)
    apart, whole = outcome(log, True, monkeypatch), outcome(log, None, monkeypatch)
    assert counts(apart) == counts(whole)
    assert [v.step for v in apart.violations] == [3, ROWS // 2 - 1, ROWS // 2, ROWS - 5]


def test_the_box_of_two_halves_holds_all_weights_that_no_row_refutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = log_of(np.full(ROWS, 2.0))
    (one,), (two,) = (outcome(log, forks, monkeypatch).stretches for forks in (None, True))
    assert (two.box.start, two.box.stop, two.box.complete) == (0, ROWS, True)
    assert (two.first, two.last) == (0, ROWS - 1)
    np.testing.assert_allclose(two.box.low, one.box.low, rtol=1e-9)
    np.testing.assert_allclose(two.box.high, one.box.high, rtol=1e-9)


@pytest.mark.parametrize("change", [100, ROWS // 2, ROWS - 100])
def test_a_weight_that_changes_is_found_where_the_whole_finds_it(
    change: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = np.full(ROWS, 2.0)
    weights[change:] = 3.0
    log = log_of(weights)
    assert text(outcome(log, True, monkeypatch)) == text(outcome(log, None, monkeypatch))


@pytest.mark.parametrize(
    "end", [lambda: os._exit(3), lambda: os.kill(os.getpid(), 9), lambda: 1 / 0]
)
def test_a_process_that_dies_changes_nothing(
    end: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, ours, fold = log_of(np.full(ROWS, 2.0)), os.getpid(), halves._fold
    expected = text(outcome(log, False, monkeypatch))

    def dying(*args: object) -> Closure:
        if os.getpid() != ours:
            end()
        return fold(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(halves, "_fold", dying)
    assert text(outcome(log, True, monkeypatch)) == expected


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 3 * BLOCK))
def test_halves_of_any_length(rows: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        log = log_of(np.full(rows, 2.0))
        apart, whole = outcome(log, True, monkeypatch), outcome(log, None, monkeypatch)
        assert counts(apart) == counts(whole)


def test_means_over_rows_and_terms_apart_are_folded_in_one_go() -> None:
    spec, log = spec_from_formula("loss = 2*a + b"), log_of(np.full(ROWS, 2.0))
    assert trial_of(spec, log).goes_by_record
    assert not trial_of(
        msgspec.structs.replace(spec, aggregates={"loss": "mean:4"}), log
    ).goes_by_record
    every = np.arange(30)
    columns = {t: Column(t, np.ones(10), every[i::3]) for i, t in enumerate(("loss", "a", "b"))}
    events = Log.of(Table("log", columns, every, steps=every // 3))
    assert not trial_of(spec, events).goes_by_record
