"""Is the total a trailing mean of the formula, over a window of rows or an exponential one?

A smoothed total beside terms that are not smoothed does not close on any row, and training is
right. The window is sought on the first rows, and then put to all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossaudit.closure.decide import decide
from lossaudit.closure.diagnosis.factor import Interval
from lossaudit.closure.trial import Trial
from lossaudit.model.table import Floats, Ints
from lossaudit.numerics.formats import FORMATS, gamma
from lossaudit.numerics.simplest import simplest_number
from lossaudit.spec.tree import names

SAMPLE = 4096
LEAST_ROWS = 30
MOST_WINDOW = 2000
PROBES = 16
TELLING = 5
"""Rows at least that the window must explain and the formula alone does not."""


@dataclass(frozen=True, slots=True)
class Course:
    """Successive rows, all of shape (N,).

    Attributes:
        total, half: as logged, and the half-width of its interval.
        value, own: the formula, and what its terms and its computation may be off by.
    """

    total: Floats
    half: Floats
    value: Floats
    own: Floats

    def __len__(self) -> int:
        return len(self.total)


def find_window(trial: Trial) -> int | None:
    """The number of rows over which the total is the trailing mean of the formula, or None."""
    course = first_rows(trial, SAMPLE)
    if course is None:
        return None
    for window in _possible(course):
        telling = _telling(course, window)
        if telling >= TELLING:
            return window
    return None


def find_decay(trial: Trial) -> float | None:
    """The decay of the exponential mean of the formula that the total is, or None."""
    course = first_rows(trial, SAMPLE)
    if course is None:
        return None
    before, now = slice(None, -1), slice(1, None)
    error = course.half[now] + course.own[now] + 4 * _unit(course)
    distance = course.total[before] - course.value[now]
    moved = course.total[now] - course.value[now]
    slack = course.half[before] + course.own[now]
    clear = np.abs(distance) > 4 * (slack + error)
    if np.count_nonzero(clear) < LEAST_ROWS:
        return None
    ends = [
        (moved[clear] + e * error[clear]) / (distance[clear] + s * slack[clear])
        for e in (-1, 1)
        for s in (-1, 1)
    ]
    decay = Interval()
    decay.narrow(np.minimum.reduce(ends), np.maximum.reduce(ends))
    if not decay.is_possible or not 0.01 < decay.low <= decay.high < 1:
        return None
    return simplest_number(decay.low, decay.high)


def first_rows(trial: Trial, most: int) -> Course | None:
    """The first rows up to one that could not be decided; None if they are too few."""
    declared, parts, count = trial.binding.declared, list[Course](), 0
    for rows, prepared in trial.blocks():
        if not len(rows):
            continue
        block = prepared.cautious or prepared.block
        decision = decide(declared, names(declared), block)
        fit = decision.decided & ~decision.nonfinite
        stop = len(fit) if fit.all() else int(np.argmin(fit))
        once = ~rows.redrawn[:stop]  # a mean takes in no step twice
        half = np.broadcast_to(block.total_half, fit.shape)[:stop][once]
        own = decision.tolerance[:stop][once] - half
        parts.append(Course(block.total[:stop][once], half, decision.recomputed[:stop][once], own))
        count += len(own)
        if stop < len(fit) or count >= most:
            break
    if count < LEAST_ROWS:
        return None
    joined = (np.concatenate([getattr(p, f) for p in parts])[:most] for f in Course.__slots__)
    return Course(*joined)


def _possible(course: Course) -> list[int]:
    """Windows that no row with a whole window refutes, shortest first."""
    count = len(course)
    windows = np.arange(2, min(count // 2, MOST_WINDOW) + 1)
    probes = np.linspace(count // 2, count - 1, PROBES).astype(np.int64)
    residual, tolerance = _against(course, probes[:, None], windows[None, :])
    near = windows[(np.abs(residual) <= tolerance).all(axis=0)]
    found = []
    for window in near.tolist():
        rows = np.arange(window - 1, count)
        residual, tolerance = _against(course, rows, np.array(window))
        if np.all(np.abs(residual) <= tolerance):
            found.append(window)
    return found


def _against(course: Course, rows: Ints, windows: Ints) -> tuple[Floats, Floats]:
    """Residual and tolerance of rows against the trailing mean over so many rows."""
    values, owns = (np.concatenate([[0.0], np.cumsum(c)]) for c in (course.value, course.own))
    mean = (values[rows + 1] - values[rows + 1 - windows]) / windows
    own = (owns[rows + 1] - owns[rows + 1 - windows]) / windows
    # a running mean that is updated from step to step gathers roundings for as long as it runs
    gathered = gamma(np.asarray(len(course) + windows, float), FORMATS["float32"].unit_roundoff)
    size = float(np.max(np.abs(course.value), initial=0.0))
    return course.total[rows] - mean, course.half[rows] + own + gathered * size


def _telling(course: Course, window: int) -> int:
    """Rows that the window explains and the formula alone does not."""
    rows = np.arange(window - 1, len(course))
    alone = np.abs(course.total[rows] - course.value[rows])
    return int(np.sum(alone > course.half[rows] + course.own[rows]))


def _unit(course: Course) -> Floats:
    return FORMATS["float32"].unit_roundoff * np.abs(course.value[1:])
