"""The step of every record: from the format itself, from named columns, or from well-known ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct

from lossaudit.model.log import Log
from lossaudit.model.steps import NO_STEP
from lossaudit.model.table import Floats, Ints, Table

STEP_TAGS = (
    "step",
    "global_step",
    "_step",
    "iteration",
    "iter",
    "itr",
    "it",
    "trainer/global_step",
    "num_updates",
    "epoch",
)
"""Tags taken for the step where a spec names none, compared without case, in this order."""

_FARTHEST = 2.0**63


class Keys(Struct, frozen=True):
    """The step of every record, a stretch of the log at a time.

    Attributes:
        tags: the columns that make the key; empty where the format has steps of its own or none.
        known: False where the log has no step at all.
        is_global: whether the step shown counts steps of the whole run, so that a schedule may use
            it: not row numbers, not epochs, not an iteration that starts again in every epoch.
        shown: the column that is shown as the step, where that is read stretch by stretch.
        epoch: the column that tells the epoch, or None.
        steps: shape (R,), the step shown for every record of the log, or None where it is read
            stretch by stretch.
        key: shape (R,), equal exactly where all key columns are equal; None where no two are.
    """

    tags: tuple[str, ...]
    known: bool
    is_global: bool = True
    shown: str | None = None
    epoch: str | None = None
    steps: Ints | None = None
    key: Ints | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `steps_of` and `epochs_of` look at."""
        return tuple(t for t in (self.shown, self.epoch) if t is not None)

    def steps_of(self, first: int, table: Table) -> Ints:
        """The step shown for each record of a stretch; the record's number where there is none."""
        if self.steps is not None:
            return self.steps[first : first + table.records]
        if self.shown is not None:
            return _integers(_spread(table, self.shown))
        return np.arange(first, first + table.records)

    @property
    def count_epochs(self) -> bool:
        """Whether the step is an epoch, or begins anew in each."""
        return any(tag.lower().endswith("epoch") for tag in self.tags)

    @property
    def are_epochs(self) -> bool:
        """Whether a step is an epoch and nothing finer: mmcv's `iter` within `epoch` is finer."""
        return bool(self.tags) and all(tag.lower().endswith("epoch") for tag in self.tags)

    def epochs_of(self, table: Table) -> Floats:
        """The epoch of each record of a stretch, NaN where it is unknown."""
        return _spread(table, self.epoch)


def find_keys(log: Log, tags: Sequence[str] = ()) -> Keys:
    """The step of every record: from the format, from the named columns, or from well-known ones.

    A column called `epoch` joins the key where steps repeat without it and no longer do with it
    (mmcv's `iter` starts again in every epoch).
    """
    epoch = _named(log, ("epoch", "train/epoch"))
    if log.has_steps and not tags:
        steps = _joined(table.steps for _, table in log.stretches(()))
        return Keys((), True, True, None, epoch, steps, steps)
    found = [t for t in (_named(log, (tag,)) for tag in (tags or STEP_TAGS)) if t]
    if not tags and found:
        found = [_most_at_home(log, found)]
    if not found:
        return Keys((), False, False, None, epoch)
    if len(found) == 1 and _rises(log, found[0]):
        return Keys(tuple(found), True, bool(tags) or _counts_run(found), found[0], epoch)
    columns = [_over_all(log, t) for t in found]
    if _stands_alone(log, found):
        columns = [_carried(c) for c in columns]
    steps = _integers(columns[-1] if tags else columns[0])
    key = _codes(columns)
    epochs = _over_all(log, epoch) if epoch and not tags else np.zeros(0)
    if not np.all(np.isnan(epochs)) and len(np.unique(key)) < log.records:
        joint = _codes([epochs, *columns])
        if len(np.unique(joint)) > len(np.unique(key)):
            key, found = joint, ["epoch", *found]
    is_global = bool(tags) or _counts_run(found)
    return Keys(tuple(found), True, is_global, None, epoch, steps, key)


def _most_at_home(log: Log, tags: Sequence[str]) -> str:
    """The first tag, or one that never meets it in a record and is in more of them.

    nanoGPT numbers its evaluations as `step`, on lines of their own, and its training as `iter`.
    """
    chosen = tags[0]
    for tag in tags[1:]:
        if log.columns[tag].count > log.columns[chosen].count and not _meet(log, tag, chosen):
            chosen = tag
    return chosen


def _meet(log: Log, a: str, b: str) -> bool:
    """Whether a record holds both columns."""
    return any(
        bool(np.isin(table.columns[a].records, table.columns[b].records).any())
        for _, table in log.stretches((a, b))
        if a in table.columns and b in table.columns
    )


def _counts_run(tags: Sequence[str]) -> bool:
    """Whether a key counts the steps of the whole run."""
    return len(tags) == 1 and not tags[0].lower().endswith("epoch")


def _rises(log: Log, tag: str) -> bool:
    """Whether every record has a step, each larger than the one before: then no key repeats."""
    last = -np.inf
    for _, table in log.stretches((tag,)):
        column = table.columns.get(tag)
        if not table.records:
            continue
        if column is None or len(column.values) != table.records:
            return False
        values = column.values
        if not (values[0] > last and np.isfinite(values[-1]) and np.all(values[1:] > values[:-1])):
            return False
        last = float(values[-1])
    return True


def _joined(parts: Iterable[Ints | None]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *(p for p in parts if p is not None)])


def _over_all(log: Log, tag: str | None) -> Floats:
    """A column over all records of a log, NaN where a record has no value."""
    parts = [_spread(table, tag) for _, table in log.stretches((tag,) if tag else ())]
    return np.concatenate([np.zeros(0), *parts])


def _named(log: Log, candidates: Sequence[str]) -> str | None:
    """The first candidate among the log's tags: exactly, else without regard to case."""
    lowered = {tag.lower(): tag for tag in reversed(list(log.columns))}
    for name in candidates:
        if name in log.columns:
            return name
        if name.lower() in lowered:
            return lowered[name.lower()]
    return None


def _spread(table: Table, tag: str | None) -> Floats:
    """A column over the records of a stretch, NaN where a record has no value."""
    column = table.columns.get(tag) if tag is not None else None
    if column is not None and len(column.values) == table.records:
        return column.values
    spread = np.full(table.records, np.nan)
    if column is not None:
        spread[column.records] = column.values
    return spread


def _stands_alone(log: Log, tags: Sequence[str]) -> bool:
    """Whether the records that hold the step hold nothing else: it is said on a line of its own."""
    any_others = False
    for _, table in log.stretches():
        others = np.zeros(table.records, bool)
        for tag, column in table.columns.items():
            if tag not in tags:
                others[column.records] = True
        if any(others[table.columns[t].records].any() for t in tags if t in table.columns):
            return False
        any_others = any_others or bool(others.any())
    return any_others


def _carried(spread: Floats) -> Floats:
    """The last number before each record, for a step that holds for the lines below it."""
    last = np.maximum.accumulate(np.where(np.isnan(spread), -1, np.arange(len(spread))))
    return np.where(last >= 0, spread[last], np.nan)


def _integers(values: Floats) -> Ints:
    """Steps as integers, the nearest that int64 holds; NO_STEP where a record has none."""
    if len(values) and values.min() > -_FARTHEST and values.max() < _FARTHEST:  # False beside a NaN
        return values.astype(np.int64)
    usable = np.where(np.isfinite(values), values, float(NO_STEP))
    steps = np.clip(usable, -_FARTHEST, _FARTHEST - 1024).astype(np.int64)
    return np.where(usable >= _FARTHEST, np.iinfo(np.int64).max, steps)


def _codes(columns: Sequence[Floats]) -> Ints:
    """One integer per record, equal exactly where all columns are equal.

    NaN equals NaN, but a record in which every column is NaN equals no other.
    """
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        _, inverse = np.unique(column, return_inverse=True)
        _, code = np.unique(code * (int(inverse.max(initial=0)) + 1) + inverse, return_inverse=True)
    unknown = np.logical_and.reduce([np.isnan(c) for c in columns])
    return np.where(unknown, len(code) + np.arange(len(code)), code)
