"""Pairs values that have records of their own by their keys: the k-th with the k-th."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossaudit.model.table import Bools, Column, Floats, Ints


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
    """Pair the k-th value at a step with the k-th total at it; unequal counts are ambiguous."""
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
