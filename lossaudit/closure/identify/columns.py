"""Which columns may be the total, and which may be its terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
from msgspec import Struct, field

from lossaudit.closure.aggregates import aggregate_of, conventional
from lossaudit.closure.identify.names import is_counter, is_no_term, total_rank, words
from lossaudit.closure.keys import Keys
from lossaudit.model.log import Log, LogColumn
from lossaudit.spec.tree import RESERVED

MOST_TERMS = 200
"""Columns that are looked at as terms of one total; those with `loss` in their names go first."""

TOO_MANY = f"more than {MOST_TERMS} columns"

MOST_TOTALS = 8

NEAR = 0.45
"""Ranks of names that lie closer than this say the same."""


class Question(Struct, frozen=True):
    """What the user says of the formula that is sought.

    Attributes:
        total: tag of the total; None where it is sought too.
        without: globs of tags that are no terms.
        dtype: of the sum in training.
        aggregates: tag, or "total" -> kind such as "mean:100".
    """

    total: str | None = None
    without: tuple[str, ...] = ()
    dtype: str = "float32"
    aggregates: Mapping[str, str] = field(default_factory=dict)

    def aggregate(self, tag: str, log: Log, as_total: bool = False) -> str:
        """What a column's numbers are, as far as anybody says so; empty: single steps."""
        found = aggregate_of("total" if as_total else tag, tag, self.aggregates)
        return str(found) if found is not None else conventional(tag, log.columns)


class Columns(Struct, frozen=True):
    """The columns beside a total.

    Attributes:
        terms: what may be a term.
        no_terms: what is none by its name, unless nothing else fits.
        left_out: what is no candidate -> why.
    """

    terms: tuple[str, ...]
    no_terms: tuple[str, ...]
    left_out: Mapping[str, str]


def totals_of(log: Log, question: Question) -> list[tuple[str, float]]:
    """Tags that may be the total by their names, with their ranks, the likeliest first."""
    if question.total is not None:
        return [(question.total, 0.0)] if _filled(log, question.total) else []
    ranked = [(tag, rank) for tag in log.columns if (rank := total_rank(tag)) is not None]
    found = [(tag, rank) for tag, rank in ranked if _filled(log, tag) and _can_be_written(tag)]
    plain = [(t, rank) for t, rank in found if not (is_no_term(t) or is_counter(t))]
    return sorted(plain or found, key=lambda item: item[1])[:MOST_TOTALS]


def columns_beside(log: Log, total: str, keys: Keys, question: Question) -> Columns:
    """Sort the other columns of a log into possible terms and others."""
    own = question.aggregate(total, log, as_total=True)
    left_out: dict[str, str] = {}
    terms, no_terms = list[str](), list[str]()
    for tag in log.columns:
        if tag == total:
            continue
        why = _why_not(log, tag, total, keys, question, own)
        if why:
            left_out[tag] = why
        elif is_no_term(tag) or (is_counter(tag) and _counts(log.columns[tag])):
            no_terms.append(tag)
        else:
            terms.append(tag)
    terms.sort(key=lambda t: not {"loss", "losses"} & set(words(t)))
    left_out |= dict.fromkeys(terms[MOST_TERMS:], TOO_MANY)
    kept = set(terms[:MOST_TERMS])
    ordered = tuple(t for t in log.columns if t in kept)
    return Columns(ordered, tuple(no_terms[: MOST_TERMS - len(ordered)]), left_out)


def _why_not(log: Log, tag: str, total: str, keys: Keys, question: Question, own: str) -> str:
    """Why a column is no candidate at all; empty where it is one."""
    if tag in keys.tags or tag in RESERVED or tag == keys.epoch:
        return "it counts steps"
    if any(fnmatchcase(tag, glob) for glob in question.without):
        return "--without"
    if not _can_be_written(tag):
        return "a formula cannot name it"
    if log.columns[tag].count * 2 < log.columns[total].count:
        return "few rows have it"
    if question.aggregate(tag, log) not in ("", own):
        return "it covers other steps than the total"
    return ""


def _counts(column: LogColumn) -> bool:
    """Whether a column's values are whole numbers, or never fall."""
    whole, rising, last = True, True, -np.inf
    for values in column.blocks():
        finite = values[np.isfinite(values)]
        whole = whole and bool(np.all(finite == np.floor(finite)))
        rising = rising and bool(np.all(np.diff(finite, prepend=last) >= 0))
        last = finite[-1] if len(finite) else last
    return whole or rising


def _filled(log: Log, tag: str) -> bool:
    return tag in log.columns and log.columns[tag].count > 0


def _can_be_written(tag: str) -> bool:
    return "`" not in tag and tag.isprintable() and bool(tag.strip()) and tag == tag.strip()


def is_near(rank: float, best: float) -> bool:
    """Whether a total's name says as much as the best one's."""
    return rank - best < NEAR


def family_of(total: str, tags: Sequence[str]) -> list[list[int]]:
    """Sets of columns whose plain sum is likely the total, by their names: places in `tags`."""
    first = words(total)[:1]
    loss = [i for i, t in enumerate(tags) if {"loss", "losses"} & set(words(t))]
    led = [i for i in loss if words(tags[i])[:1] == first]
    sets = [led, loss, list(range(len(tags)))]
    return [s for i, s in enumerate(sets) if s and s not in sets[:i]]
