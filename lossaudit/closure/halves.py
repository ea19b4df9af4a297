"""A long log is folded in two halves, the second in a process of its own where one may be made.

NumPy's calls on a block are too short for threads: two of them take longer than one. The halves are
folded apart and merged with one core too, so that a log gives the same numbers on every machine.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lossaudit.closure.fold import Closure
from lossaudit.closure.trial import Trial
from lossaudit.closure.weight_fold import EXACT

LONG = 1 << 19
"""Rows from which on a second process saves more than it costs."""

EXACT_OF_LONG = 1 << 15
"""Numbers of rows that a half keeps as they are: the box of a long log is not exact anyway."""


def fold_trial(trial: Trial, empty: Callable[[int], Closure]) -> Closure:
    """Decide all rows of a trial.

    Args:
        trial: the rows.
        empty: makes a fold without rows from its `exact`.
    """
    if trial.most_rows >= LONG and trial.goes_by_record:
        middle = trial.most_rows // 2

        def half(among: range) -> Closure:
            return _fold(trial, empty(EXACT_OF_LONG), among)

        with _begun(lambda: half(range(middle, trial.most_rows))) as finish:
            first, second = half(range(middle)), finish()
        if first.has_one_stretch and second.has_one_stretch:
            first.merge(second)
            if first.has_one_stretch:
                return first
    every = range(trial.most_rows)  # a weight that changes is sought in order
    return _fold(trial, empty(EXACT), every)


def _fold(trial: Trial, fold: Closure, among: range) -> Closure:
    for rows, prepared in trial.blocks(among):
        fold.update(rows, prepared)
    return fold


@contextmanager
def _begun(fold: Callable[[], Closure]) -> Iterator[Callable[[], Closure]]:
    """A fold that begins now in another process, or when it is asked for in this one."""
    if not _may_fork():
        yield fold
        return
    source, sink = os.pipe()
    child = os.fork()
    if not child:
        _answer(fold, sink)
    os.close(sink)
    try:
        with open(source, "rb") as pipe:
            yield lambda: _received(pipe.read()) or fold()
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def _answer(fold: Callable[[], Closure], sink: int) -> None:
    """The other process: it writes what it finds, all or nothing, and ends, whatever happens."""
    try:
        import pickle

        with open(sink, "wb") as pipe:
            pipe.write(pickle.dumps(fold(), pickle.HIGHEST_PROTOCOL))
    finally:
        os._exit(0)


def _received(answer: bytes) -> Closure | None:
    """What the other process found; None if it died or failed: this one then finds the same."""
    import pickle

    try:
        return pickle.loads(answer)  # type: ignore[no-any-return]
    except (EOFError, pickle.UnpicklingError):
        return None


def _may_fork() -> bool:
    """Whether there is a core for another process, and nobody's thread that a copy would lack."""
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:
        return False
    return threading.active_count() == 1 and "torch" not in sys.modules
