"""A spec on one log: its rows, ready to be decided, which can be gone through again and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from lossaudit.closure.binding import Binding
from lossaudit.closure.blocks import ACCUMULATED, Preparation, Prepared
from lossaudit.closure.keys import Keys
from lossaudit.closure.rows import Join, Rows
from lossaudit.closure.spacing import Spacing, survey
from lossaudit.model.log import Log
from lossaudit.spec.schema import Spec

STEPS_AN_EPOCH = 10_000
"""Steps that a row of an epoch may be the mean of, where nobody says."""


class Blocks(Protocol):
    """Rows that can be gone through again and again."""

    def blocks(self) -> Iterator[tuple[Rows, Prepared]]:
        """Every block of rows, with its intervals, in order."""
        ...


class Trial(Struct, frozen=True):
    """What the rows of a log are put to.

    Attributes:
        binding: which column is what.
        keys: the step of every record.
        join: pairs totals with terms.
        dtype: of the sum in training, as declared.
        spacing: how the totals' steps follow one another, or None where steps are unknown.
    """

    binding: Binding
    keys: Keys
    join: Join
    dtype: str
    spacing: Spacing | None

    @classmethod
    def of(cls, spec: Spec, log: Log, binding: Binding, keys: Keys) -> Trial:
        """The trial of a spec whose total was found in the log."""
        assert binding.total is not None
        tags = list(dict.fromkeys(t for t in binding.tags.values() if t != binding.total))
        join = Join.of(log, binding.total, tags, keys, spec.duplicates)
        spacing = survey(join.steps()) if keys.known else None
        return cls(binding, keys, join, spec.dtype, spacing)

    @property
    def gap(self) -> int:
        """Steps between rows, where the total may be their mean for all that is said; else 0."""
        if self.spacing is None or self.binding.has_aggregate:
            return 0
        if self.keys.are_epochs and self.spacing.usual:  # 0: an epoch has many rows
            return STEPS_AN_EPOCH
        return self.spacing.usual if self.spacing.usual > 1 else 0

    @property
    def most_rows(self) -> int:
        """How many rows there are, or more where the spec drops repeated steps."""
        return self.join.log.columns[self.join.total].count

    @property
    def goes_by_record(self) -> bool:
        """Whether a row is had, and what it is put to is known, without any other row."""
        looks_back = self.binding.aggregates["total"].kind in ACCUMULATED
        return not looks_back and not self.join.apart

    def blocks(self, among: range | None = None) -> Iterator[tuple[Rows, Prepared]]:
        """Every block of rows, with its intervals, in file order.

        Args:
            among: only those whose first row is among these; only where the trial `goes_by_record`.
        """
        preparation = Preparation(self.binding, self.keys, self.dtype, self.gap)
        first = 0
        for rows in self.join.rows():
            if among is None or first in among:
                yield self._prepared(preparation, rows)
            first += len(rows)

    def _prepared(self, preparation: Preparation, rows: Rows) -> tuple[Rows, Prepared]:
        if self.binding.aggregates["total"].kind == "trailing":
            rows = rows.part(~rows.redrawn)  # a mean takes in no step twice
        return rows, preparation.prepare(rows)
