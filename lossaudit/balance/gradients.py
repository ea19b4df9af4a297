"""The recorder's norms of weighted gradients -> shares: who pulls at the network, and when."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePath

import numpy as np
from msgspec import Struct, field

from lossaudit.closure.examine import LogEvidence
from lossaudit.closure.shares import ShareHistograms, row_shares
from lossaudit.closure.weigh import MOST_WEIGHTS
from lossaudit.model.balance import GradientShares
from lossaudit.model.table import Floats, Table

MOST_POINTS = 240
"""Of a course; each is a mean over equally many records."""

STEP = "step"
_TERMS = "terms"


def gradients_beside(path: str) -> str | None:
    """The recorder's file of gradients beside its file of terms, where both are there."""
    log = PurePath(path)
    is_terms = log.name.startswith(f"{_TERMS}.") and log.suffix == ".jsonl"
    if not is_terms or log.parent.name != "record":
        return None
    beside = Path(path).with_name("gradients" + log.name.removeprefix(_TERMS))
    return str(beside) if beside.is_file() and not beside.is_symlink() else None


def gradient_shares(evidence: LogEvidence) -> GradientShares | None:
    """How much of the pull at the recorded tensors each weighted term makes up.

        share_i = norm_i / sum over all recorded terms

    Memory does not grow with the file.

    Args:
        evidence: of the recorder's file; its columns go by the spec's names.

    Returns:
        None where fewer than two terms, or more than 64, are there, or no record has them all.
    """
    log = evidence.log
    names = {tag: term for term, tag in evidence.binding.tags.items()}
    tags = [tag for tag in log.columns if tag != STEP]
    if not 2 <= len(tags) <= MOST_WEIGHTS:
        return None
    fold = _Fold([names.get(tag, tag) for tag in tags], log.records)
    for first, table in log.stretches([*tags, *([STEP] if STEP in log.columns else [])]):
        fold.update(first, table, tags)
    return fold.result()


class _Fold(Struct):
    """Histograms of the shares, and their means over up to `MOST_POINTS` stretches."""

    terms: list[str]
    records: int
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    histograms: ShareHistograms = field(default_factory=ShareHistograms)
    _sums: Floats = None  # type: ignore[assignment]  # __post_init__
    _counts: Floats = None  # type: ignore[assignment]  # __post_init__
    _steps: Floats = None  # type: ignore[assignment]  # __post_init__

    def __post_init__(self) -> None:
        points = min(self.records, MOST_POINTS)
        self._sums = np.zeros((len(self.terms), points))
        self._counts, self._steps = np.zeros(points), np.full(points, np.inf)

    def update(self, first: int, table: Table, tags: list[str]) -> None:
        """Take in a stretch whose first record has that number."""
        norms = np.array([_dense(table, tag) for tag in tags])
        with np.errstate(over="ignore"):
            whole = norms.sum(axis=0)
        known = np.isfinite(norms).all(axis=0) & (norms >= 0).all(axis=0)
        kept = known & (whole > 0) & np.isfinite(whole)
        self.left_out["a term has no gradient there, or one that is not finite"] += int(
            (~known).sum()
        )
        self.left_out["no term has a gradient there"] += int((known & ~kept).sum())
        self.rows += int(kept.sum())
        shares = row_shares(norms[:, kept])
        self.histograms.count(self.terms, shares)
        places = (first + np.flatnonzero(kept)) * len(self._counts) // max(self.records, 1)
        for sums, row in zip(self._sums, shares, strict=True):
            np.add.at(sums, places, row)
        np.add.at(self._counts, places, 1.0)
        np.minimum.at(self._steps, places, self._numbers(first, table)[kept])

    def result(self) -> GradientShares | None:
        """Shares and courses; None where no record counts."""
        if not self.rows:
            return None
        filled = self._counts > 0
        means = self._sums[:, filled] / self._counts[filled]
        return GradientShares(
            self.rows,
            {reason: count for reason, count in self.left_out.items() if count},
            self.histograms.result(),
            tuple(self._steps[filled].tolist()),
            {n: tuple(row.tolist()) for n, row in zip(self.terms, means, strict=True)},
        )

    def _numbers(self, first: int, table: Table) -> Floats:
        """Of each record its step, or its number in the file where it has none."""
        numbers = np.arange(first, first + table.records, dtype=np.float64)
        if table.steps is not None:
            return table.steps.astype(np.float64)
        steps = _dense(table, STEP)
        return np.where(np.isfinite(steps), steps, numbers)


def _dense(table: Table, tag: str) -> Floats:
    """One value a record, shape (R,); NaN where the record has none."""
    found = np.full(table.records, np.nan)
    column = table.columns.get(tag)
    if column is not None:
        found[column.records] = column.values
    return found
