"""Pairs totals with values: in one record, or else by their keys, the k-th with the k-th."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from lossaudit.model.log import Log
from lossaudit.model.table import Bools, Column, Floats, Ints

CHANCE = 0.1
"""Pairs of lone totals and values that are fewer than this share of the records that hold both may
be chance: of two damaged records with one key, one lost its total and the other this term."""


def terms_apart(log: Log, total: str, terms: Sequence[str], key: Ints | None) -> list[str]:
    """The terms that totals must be paired with by key, since they have records of their own.

    Args:
        log: the log.
        total, terms: tags of it.
        key: shape (R,), equal where two records may be paired; None where no two are.
    """
    joint, apart = _joint_records(log, total, terms, enough=1 if key is None else log.records), []
    for tag in terms:
        lone = min(log.columns[total].count, log.columns[tag].count) - joint[tag]
        least = max(1.0, CHANCE * joint[tag])
        if not joint[tag] or (
            key is not None and lone >= least and _lone_pairs(log, total, tag, key) >= least
        ):
            apart.append(tag)
    return apart


def _joint_records(log: Log, total: str, terms: Sequence[str], enough: int) -> Counter[str]:
    """For each term, how many records hold both it and the total; counted until all have enough."""
    joint: Counter[str] = Counter()
    for _, table in log.stretches((total, *terms)):
        if all(joint[t] >= enough for t in terms):
            break
        ours = table.columns.get(total)
        for tag in terms:
            theirs = table.columns.get(tag)
            if ours is not None and theirs is not None:
                same = ours.records is theirs.records
                joint[tag] += len(ours.records) if same else int(_shared(ours, theirs).sum())
    return joint


def _lone_pairs(log: Log, total: str, tag: str, key: Ints) -> int:
    """How many totals without the term in their record meet one of another record by key."""
    table = log.whole((total, tag))
    column, anchor = table.columns[tag], table.columns[total]
    key = within_files(log.parts, column, anchor, key)
    lone, lacking = ~_shared(column, anchor), ~_shared(anchor, column)
    return int(_by_key(_part(column, lone), _part(anchor, lacking), key)[1].sum())


def within_files(
    parts: Sequence[tuple[int, str]], column: Column, anchor: Column, key: Ints
) -> Ints:
    """Keys that keep the files of a folder apart, unless the term is never where the total is."""
    if len(parts) < 2:
        return key
    starts = np.array([first for first, _ in parts])
    file = np.searchsorted(starts, np.arange(len(key)), side="right")
    if not set(file[column.records].tolist()) & set(file[anchor.records].tolist()):
        return key
    _, inverse = np.unique(key, return_inverse=True)
    return np.asarray(inverse * (len(starts) + 1) + file)


def pair(column: Column, anchor: Column, key: Ints) -> tuple[Floats, Bools, Bools]:
    """Pair each total with the value in its record; the others by key.

    Of those, the k-th value at a step meets the k-th total at it; unequal counts are ambiguous.

    Args:
        column, anchor: the values; the totals, of which there are N.
        key: shape (R,), the step of every record.

    Returns:
        (values, present, ambiguous), each of shape (N,).
    """
    joint, lone = _shared(anchor, column), ~_shared(column, anchor)
    if not joint.any():
        return _by_key(column, anchor, key)
    values, present, ambiguous = np.full(len(joint), np.nan), joint.copy(), np.zeros_like(joint)
    values[joint] = column.values[~lone]
    if lone.any() and not joint.all():
        rest = _by_key(_part(column, lone), _part(anchor, ~joint), key)
        values[~joint], present[~joint], ambiguous[~joint] = rest
    return values, present, ambiguous


def _by_key(column: Column, anchor: Column, key: Ints) -> tuple[Floats, Bools, Bools]:
    """The k-th value with the k-th total that has its key."""
    theirs, ours = key[column.records], key[anchor.records]
    if np.array_equal(theirs, ours):
        return column.values, np.ones(len(ours), bool), np.zeros(len(ours), bool)
    _, code = np.unique(np.concatenate([theirs, ours]), return_inverse=True)
    their_code, our_code = code[: len(theirs)], code[len(theirs) :]
    their_counts, our_counts = np.bincount(their_code, minlength=len(code)), np.bincount(our_code)
    most = int(max(their_counts.max(), our_counts.max()))
    their_pair = their_code * most + occurrences(their_code)
    our_pair = our_code * most + occurrences(our_code)
    order = np.argsort(their_pair)
    place = np.minimum(np.searchsorted(their_pair[order], our_pair), len(order) - 1)
    place = order[place]
    present = their_pair[place] == our_pair
    ambiguous = (their_counts[our_code] != our_counts[our_code]) & (their_counts[our_code] > 0)
    return np.where(present, column.values[place], np.nan), present, ambiguous


def _shared(column: Column, other: Column) -> Bools:
    """Which of a column's records hold the other as well."""
    return np.isin(column.records, other.records)


def _part(column: Column, chosen: Bools) -> Column:
    return replace(column, values=column.values[chosen], records=column.records[chosen])


def occurrences(key: Ints) -> Ints:
    """For each entry, how many equal entries stand before it."""
    if len(key) > 1 and np.all(key[1:] > key[:-1]):
        return np.zeros(len(key), np.int64)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = (
        np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(key) else key
    )
    counts = np.arange(len(key)) - np.repeat(starts, np.diff([*starts, len(key)]))
    result = np.empty(len(key), dtype=np.int64)
    result[order] = counts
    return result
