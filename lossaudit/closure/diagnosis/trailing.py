"""Is the total a running mean of the formula: over a window, since it was begun, or exponential?

A smoothed total beside terms that are not smoothed does not close on any row, and training is
right. The window is sought on the first rows, and then put to all of them.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from lossaudit.closure.decide import decide
from lossaudit.closure.diagnosis.factor import Interval
from lossaudit.closure.trial import Trial
from lossaudit.model.table import Bools, Floats, Ints
from lossaudit.numerics.formats import FORMATS, gamma
from lossaudit.numerics.simplest import simplest_number
from lossaudit.spec.tree import names

SAMPLE = 4096
LEAST_ROWS = 30
MOST_WINDOW = 2000
PROBES = 16
MOST_RESTARTS = 0.1
"""Share of the rows at which a running mean may be begun anew."""

TELLING = 5
"""Rows at least that the window must explain and the formula alone does not."""


class Course(Struct, frozen=True):
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


class Running(Struct, frozen=True):
    """A running mean.

    Attributes:
        window: rows that it covers; 0 for all since it was begun.
        restarts: how often it was begun anew, by an epoch or a resumed run.
    """

    window: int
    restarts: int


def find_window(trial: Trial) -> Running | None:
    """The running mean of the formula that the total is, or None."""
    course = first_rows(trial, SAMPLE)
    if course is None:
        return None
    every = np.arange(len(course))
    alone = np.abs(course.total - course.value) <= course.half + course.own
    if np.count_nonzero(~alone) < TELLING:
        return None
    begun = _begun(course, alone)
    size = every - begun + 1
    since = _fits(course, every, size)
    most = int(MOST_RESTARTS * len(course))
    if since.all():
        restarts = len(np.unique(begun)) - 1
        return Running(0, restarts) if restarts <= most else None
    for window in _possible(course, since, size):
        rows = every[window - 1 :]
        partly = (since & (size < window))[rows]
        whole = _fits(course, rows, np.array(window))
        restarts = len(np.unique(begun[rows][partly & ~whole]))
        telling = np.count_nonzero(whole & ~partly & ~alone[rows])
        if (whole | partly).all() and telling >= TELLING and restarts <= most:
            return Running(window, restarts)
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
    anew = clear & (np.abs(moved) <= error)
    clear &= ~anew
    restarts, rows = np.count_nonzero(anew), np.count_nonzero(clear)
    if rows < LEAST_ROWS or restarts > MOST_RESTARTS * len(course):
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
    joined = (
        np.concatenate([getattr(p, f) for p in parts])[:most] for f in Course.__struct_fields__
    )
    return Course(*joined)


def _begun(course: Course, alone: Bools) -> Ints:
    """The row with which each row's mean was begun: the last that no mean since then explains.

    Args:
        course: the rows.
        alone: rows that are the formula itself, as the first of a mean is.
    """
    begun, first = np.zeros(len(course), np.int64), 0
    for start in np.flatnonzero(alone).tolist():
        if start > first and not _fits(course, np.array(start), np.array(start - first + 1)):
            first = start
        begun[start:] = first
    return begun


def _possible(course: Course, since: Bools, size: Ints) -> list[int]:
    """Windows that a few rows allow, shortest first.

    Args:
        course: the rows.
        since: rows that fit the mean over all rows since it was begun.
        size: how many those are.
    """
    count = len(course)
    windows = np.arange(2, min(count // 2, MOST_WINDOW) + 1)
    probes = np.linspace(count // 2, count - 1, PROBES).astype(np.int64)[:, None]
    partly = since[probes] & (size[probes] < windows)
    fits = _fits(course, probes, windows[None, :]) | partly
    return [int(w) for w in windows[fits.all(axis=0)]]


def _fits(course: Course, rows: Ints, windows: Ints) -> Bools:
    """Whether rows are the trailing mean over so many rows."""
    residual, tolerance = _against(course, rows, windows)
    return np.asarray(np.abs(residual) <= tolerance)


def _against(course: Course, rows: Ints, windows: Ints) -> tuple[Floats, Floats]:
    """Residual and tolerance of rows against the trailing mean over so many rows."""
    values, owns = (np.concatenate([[0.0], np.cumsum(c)]) for c in (course.value, course.own))
    mean = (values[rows + 1] - values[rows + 1 - windows]) / windows
    own = (owns[rows + 1] - owns[rows + 1 - windows]) / windows
    # a running mean that is updated from step to step gathers roundings for as long as it runs
    gathered = gamma(np.asarray(len(course) + windows, float), FORMATS["float32"].unit_roundoff)
    size = float(np.max(np.abs(course.value), initial=0.0))
    return course.total[rows] - mean, course.half[rows] + own + gathered * size


def _unit(course: Course) -> Floats:
    return FORMATS["float32"].unit_roundoff * np.abs(course.value[1:])
