"""A whole log: the stretches that a reader gave, kept in bounded memory, to be read many times."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit.model.spool import BUDGET, Kept, Spool
from lossaudit.model.table import (
    Column,
    Floats,
    Ints,
    Storage,
    Table,
    Unit,
    Unread,
    coarsest,
    concatenate,
)


class LogColumn(Struct, frozen=True):
    """One tag over a whole log.

    Attributes:
        tag: the name as logged.
        log: where its values are.
        count: how many there are.
        storage: the coarsest of its stretches.
        decimals: fewest and most digits that the text shows, None where some stretch was not
            looked at.
    """

    tag: str
    log: Log
    count: int
    storage: Storage
    decimals: tuple[int, int] | None
    unseen: bool = False

    def blocks(self) -> Iterator[Floats]:
        """All values, a stretch at a time; may be called again and again."""
        return self.log.values(self.tag)


class _KeptColumn(Struct, frozen=True):
    values: Kept
    records: Kept
    storage: Storage
    decimals: tuple[int, int] | None


class _Stretch(Struct, frozen=True):
    """A table as the spool keeps it."""

    first: int
    source: str
    columns: dict[str, _KeptColumn]
    positions: Kept
    steps: Kept | None


class Log(Struct):
    """The records of one log, in order.

    Attributes:
        source: the file, as the user named it.
        columns: by tag, in the order in which the tags came up.
        records: how many records there are.
        unit: what positions count.
        has_steps: True where the format gives every record a step of its own.
        unread: tags that some of its lines name without a number that could be read.
    """

    source: str
    budget: int = BUDGET
    columns: dict[str, LogColumn] = field(default_factory=dict)
    records: int = 0
    unit: Unit = "line"
    has_steps: bool = False
    unread: dict[str, Unread] = field(default_factory=dict)
    _stretches: list[_Stretch] = field(default_factory=list)
    _spool: Spool = field(default_factory=Spool)

    def __post_init__(self) -> None:
        self._spool = Spool(self.budget)

    @classmethod
    def of(cls, *tables: Table) -> Log:
        """A log of tables that are at hand."""
        log = cls(tables[0].source)
        for table in tables:
            log.append(table)
        return log

    def append(self, table: Table) -> None:
        """Add the next stretch; its arrays must not be changed afterwards."""
        if not self._stretches:
            self.source, self.unit = table.source, table.unit
            self.has_steps = table.steps is not None
        shared: dict[int, Kept] = {}  # columns often have one array of records

        def put(array: Floats | Ints) -> Kept:
            if id(array) not in shared:
                shared[id(array)] = self._spool.put(array)
            return shared[id(array)]

        kept = {}
        for tag, column in table.columns.items():
            records = put(column.records)
            kept[tag] = _KeptColumn(put(column.values), records, column.storage, column.decimals)
            self._describe(column)
        steps = None if table.steps is None else put(table.steps)
        positions = put(table.positions)
        self._stretches.append(_Stretch(self.records, table.source, kept, positions, steps))
        self.records += table.records

    def stretches(self, tags: Collection[str] | None = None) -> Iterator[tuple[int, Table]]:
        """(number of its first record, table) of every stretch, with some of the columns or all."""
        for stretch in self._stretches:
            yield stretch.first, self._table(stretch, tags)

    def values(self, tag: str) -> Iterator[Floats]:
        """A column's values, a stretch at a time; stretches without it are passed over."""
        for stretch in self._stretches:
            if tag in stretch.columns:
                yield self._spool.get(stretch.columns[tag].values)

    def whole(self, tags: Collection[str]) -> Table:
        """Some columns as one table in memory, without positions of use."""
        tables = [table for _, table in self.stretches(tags)]
        return concatenate(tables)

    def locate(self, record: int) -> tuple[str, int]:
        """(file, position in it) of a record."""
        place = bisect_right(self._stretches, record, key=lambda s: s.first) - 1
        stretch = self._stretches[place]
        return stretch.source, int(self._spool.get(stretch.positions)[record - stretch.first])

    @property
    def parts(self) -> tuple[tuple[int, str], ...]:
        """(first record, source) of each file, where the log joins several."""
        starts = [(s.first, s.source) for s in self._stretches]
        return tuple(s for i, s in enumerate(starts) if i == 0 or s[1] != starts[i - 1][1])

    def _table(self, stretch: _Stretch, tags: Collection[str] | None) -> Table:
        get = self._spool.get
        shared: dict[range | int, Ints] = {}  # one array for all columns with the same records

        def records(kept: Kept) -> Ints:
            key = kept if isinstance(kept, range) else id(kept)
            if key not in shared:
                shared[key] = get(kept)
            return shared[key]

        wanted = stretch.columns if tags is None else [t for t in tags if t in stretch.columns]
        columns = {
            tag: Column(tag, get(c.values), records(c.records), c.storage, c.decimals)
            for tag in wanted
            for c in (stretch.columns[tag],)
        }
        steps = None if stretch.steps is None else get(stretch.steps)
        return Table(stretch.source, columns, get(stretch.positions), self.unit, steps)

    def _describe(self, column: Column) -> None:
        """Take a stretch's column into what is known of the tag."""
        unseen = column.decimals is None and column.has_finite()
        known = self.columns.get(column.tag)
        if known is None:
            self.columns[column.tag] = LogColumn(
                column.tag, self, len(column.values), column.storage, column.decimals, unseen
            )
            return
        shown = [d for d in (known.decimals, column.decimals) if d is not None]
        unseen = unseen or known.unseen
        span = (min(d[0] for d in shown), max(d[1] for d in shown)) if shown else None
        self.columns[column.tag] = replace(
            known,
            count=known.count + len(column.values),
            storage=coarsest([known.storage, column.storage]),
            decimals=None if unseen else span,
            unseen=unseen,
        )
