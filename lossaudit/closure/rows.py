"""Table -> rows: the total and the terms of one step side by side, aligned arrays.

Where a file keeps them in one record, the record is the row. Where each tag has records of its own
(event files), the k-th total of a step meets the k-th value of each term at that step; a step at
which their counts differ cannot be paired and stays undecided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lossaudit.closure.keys import Keys
from lossaudit.model.table import Bools, Column, Floats, Ints, Table


@dataclass(frozen=True, slots=True)
class Rows:
    """Aligned columns, one row per logged total.

    Attributes:
        step: shape (N,), as displayed; epoch: NaN where unknown.
        records: shape (N,), the table's record that holds the total.
        values: by tag (the total's too), shape (N,); NaN where missing.
        present: by tag, shape (N,).
        ambiguous: shape (N,), True where a repeated step could not be paired.
        orphans: number of records that hold every term and no total.
        duplicates: number of totals whose step occurred before.
        known_steps: False where steps are mere row numbers.
    """

    step: Ints
    epoch: Floats
    records: Ints
    values: Mapping[str, Floats]
    present: Mapping[str, Bools]
    ambiguous: Bools
    orphans: int
    duplicates: int
    known_steps: bool

    def __len__(self) -> int:
        return len(self.step)


def join_rows(
    table: Table, total: str, terms: Sequence[str], keys: Keys, duplicates: str = "all"
) -> Rows:
    """Pair each logged total with the terms of its step.

    Args:
        table: the log.
        total: tag of the total.
        terms: tags of the terms and logged weights.
        keys: the step of every record.
        duplicates: "all" keeps each occurrence of a repeated step as a row of its own; "first" or
            "last" keeps only that one.

    Returns:
        One row per logged total that the policy keeps, in file order.
    """
    anchor = table.columns[total]
    same_record = [t for t in terms if np.isin(table.columns[t].records, anchor.records).any()]
    values, present = {total: anchor.values}, {total: np.ones(len(anchor.values), bool)}
    ambiguous = np.zeros(len(anchor.values), bool)
    for tag in terms:
        if tag in same_record:
            values[tag], present[tag] = _by_record(table.columns[tag], anchor.records)
        else:
            key = _within_files(table, table.columns[tag], anchor, keys.key)
            values[tag], present[tag], unclear = _by_key(table.columns[tag], anchor, key)
            ambiguous |= unclear
    key = keys.key[anchor.records]
    repeated, keep = _occurrences(key), np.ones(len(key), bool)
    if duplicates == "first":
        keep = repeated == 0
    elif duplicates == "last":
        keep = _occurrences(key[::-1])[::-1] == 0
    return Rows(
        keys.display[anchor.records][keep],
        keys.epoch[anchor.records][keep],
        anchor.records[keep],
        {t: v[keep] for t, v in values.items()},
        {t: p[keep] for t, p in present.items()},
        ambiguous[keep],
        _orphans(table, total, terms) if len(same_record) == len(terms) else 0,
        int(np.sum(repeated > 0)) if keys.known else 0,
        keys.known,
    )


def _orphans(table: Table, total: str, terms: Sequence[str]) -> int:
    """Records with every term and no total: a total that could not be read, or was left out."""
    if not terms:
        return 0
    held = np.zeros(table.records, np.int64)
    for tag in set(terms):
        held[table.columns[tag].records] += 1
    held[table.columns[total].records] = 0
    return int(np.sum(held == len(set(terms))))


def _by_record(column: Column, records: Ints) -> tuple[Floats, Bools]:
    """The column's value in each of `records`, and whether it has one."""
    place = np.searchsorted(column.records, records)
    place = np.minimum(place, max(len(column.records) - 1, 0))
    present = column.records[place] == records
    return np.where(present, column.values[place], np.nan), present


def _within_files(table: Table, column: Column, anchor: Column, key: Ints) -> Ints:
    """Keys that keep the files of a folder apart, unless the term is never where the total is."""
    if len(table.parts) < 2:
        return key
    starts = np.array([first for first, _ in table.parts])
    file = np.searchsorted(starts, np.arange(len(key)), side="right")
    if not set(file[column.records].tolist()) & set(file[anchor.records].tolist()):
        return key
    _, inverse = np.unique(key, return_inverse=True)
    return np.asarray(inverse * (len(starts) + 1) + file)


def _by_key(column: Column, anchor: Column, key: Ints) -> tuple[Floats, Bools, Bools]:
    """Pair the k-th value at a step with the k-th total at it; unequal counts are ambiguous."""
    theirs, ours = key[column.records], key[anchor.records]
    if np.array_equal(theirs, ours):
        return column.values, np.ones(len(ours), bool), np.zeros(len(ours), bool)
    _, code = np.unique(np.concatenate([theirs, ours]), return_inverse=True)
    their_code, our_code = code[: len(theirs)], code[len(theirs) :]
    their_counts, our_counts = np.bincount(their_code, minlength=len(code)), np.bincount(our_code)
    most = int(max(their_counts.max(), our_counts.max()))
    their_pair = their_code * most + _occurrences(their_code)
    our_pair = our_code * most + _occurrences(our_code)
    order = np.argsort(their_pair)
    place = np.minimum(np.searchsorted(their_pair[order], our_pair), len(order) - 1)
    place = order[place]
    present = their_pair[place] == our_pair
    ambiguous = (their_counts[our_code] != our_counts[our_code]) & (their_counts[our_code] > 0)
    return np.where(present, column.values[place], np.nan), present, ambiguous


def _occurrences(key: Ints) -> Ints:
    """For each entry, how many equal entries stand before it."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = (
        np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(key) else key
    )
    counts = np.arange(len(key)) - np.repeat(starts, np.diff([*starts, len(key)]))
    result = np.empty(len(key), dtype=np.int64)
    result[order] = counts
    return result
