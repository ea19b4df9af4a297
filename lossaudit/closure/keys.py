"""The step of every record: from the format itself, from named columns, or from well-known ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    "epoch",
)
"""Tags taken for the step where a spec names none, compared without case, in this order."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The step of every record.

    Attributes:
        display: shape (R,), the step as shown and used by schedules; the record's number from 0
            where the log has no step.
        key: shape (R,), equal exactly where all key columns are equal.
        epoch: shape (R,), NaN where unknown.
        tags: the columns that make the key; empty where the format has steps of its own or none.
        known: False where the log has no step at all.
        is_global: whether `display` counts steps of the whole run, so that a schedule may use it:
            not row numbers, not epochs, not an iteration that starts again in every epoch.
    """

    display: Ints
    key: Ints
    epoch: Floats
    tags: tuple[str, ...]
    known: bool
    is_global: bool = True


def find_keys(table: Table, tags: Sequence[str] = ()) -> Keys:
    """The step of every record: from the format, from the named columns, or from well-known ones.

    A column called `epoch` joins the key where steps repeat without it and no longer do with it
    (mmcv's `iter` starts again in every epoch).
    """
    epoch = _spread(table, _named(table, ("epoch", "train/epoch")))
    if table.steps is not None and not tags:
        return Keys(table.steps, table.steps, epoch, (), True)
    found = [t for t in (_named(table, (tag,)) for tag in (tags or STEP_TAGS)) if t]
    if not tags:
        found = found[:1]
    if not found:
        numbers = np.arange(table.records)
        return Keys(numbers, numbers, epoch, (), False, False)
    columns = [_spread(table, t) for t in found]
    if _stands_alone(table, found):
        columns = [_carried(c) for c in columns]
    display = _integers(columns[-1] if tags else columns[0])
    key = _codes(columns)
    if not tags and not np.all(np.isnan(epoch)) and len(np.unique(key)) < table.records:
        joint = _codes([epoch, *columns])
        if len(np.unique(joint)) > len(np.unique(key)):
            key, found = joint, ["epoch", *found]
    is_global = bool(tags) or (len(found) == 1 and not found[0].lower().endswith("epoch"))
    return Keys(display, key, epoch, tuple(found), True, is_global)


def _named(table: Table, candidates: Sequence[str]) -> str | None:
    """The first candidate among the table's tags: exactly, else without regard to case."""
    lowered = {tag.lower(): tag for tag in reversed(list(table.columns))}
    for name in candidates:
        if name in table.columns:
            return name
        if name.lower() in lowered:
            return lowered[name.lower()]
    return None


def _spread(table: Table, tag: str | None) -> Floats:
    """A column over all records, NaN where a record has no value."""
    spread = np.full(table.records, np.nan)
    if tag is not None:
        column = table.columns[tag]
        spread[column.records] = column.values
    return spread


def _stands_alone(table: Table, tags: Sequence[str]) -> bool:
    """Whether the records that hold the step hold nothing else: it is said on a line of its own."""
    others = np.zeros(table.records, bool)
    for tag, column in table.columns.items():
        if tag not in tags:
            others[column.records] = True
    return not any(others[table.columns[t].records].any() for t in tags) and bool(others.any())


def _carried(spread: Floats) -> Floats:
    """The last number before each record, for a step that holds for the lines below it."""
    last = np.maximum.accumulate(np.where(np.isnan(spread), -1, np.arange(len(spread))))
    return np.where(last >= 0, spread[last], np.nan)


def _integers(values: Floats) -> Ints:
    """Steps as integers; -1 where a record has none."""
    usable = np.isfinite(values) & (np.abs(values) < 2.0**62)
    return np.where(usable, values, -1).astype(np.int64)


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
