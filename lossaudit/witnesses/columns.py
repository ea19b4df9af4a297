"""Growing columns: numbers are added record by record, and a `Table` comes out."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping

import numpy as np
from msgspec import Struct, field

from lossaudit.model.table import Column, Storage, Table, Unit

STRETCH = 1 << 16
"""Records per table: a reader yields one about this often, so that memory stays bounded."""


PART_KEYS = frozenset(("mode", "split", "phase", "stage"))
"""Names under which a record says to which part of the data it belongs."""

_OTHER_PARTS = frozenset(
    ("val", "valid", "validation", "test", "testing", "eval", "evaluation", "dev")
)


def other_part(key: str, value: str) -> str:
    """The part of the data that a record is about where that is not training, else "".

    Validation and training may log one tag by different formulas: `loss` of a record that says
    `"mode": "val"` is read as `val/loss`.
    """
    value = value.strip()
    return value if key.lower() in PART_KEYS and value.lower() in _OTHER_PARTS else ""


def parse_number(text: str) -> float | None:
    """The number that a text is in full, or None.

    Decimal and exponent notation, `nan`, `inf` and `infinity` in any case, with white space
    around it; a number beyond float64 is infinite. Python's `1_000` and digits of other scripts
    are no numbers.
    """
    if "_" in text or not text.isascii():
        return None
    try:
        return float(text)
    except ValueError:
        return None


def count_decimals(text: str) -> int | None:
    """Digits after the decimal point that a number's text shows; None for NaN and infinity.

    Trailing zeros count, an exponent shifts: `0.10` -> 2, `12` -> 0, `1.5e-3` -> 4, and `1.5e3`
    -> -2, since its last digit stands for hundreds. Kept within -308 and 308, as 10**n is.
    """
    mantissa, _, exponent = text.strip().lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    if not (whole[-1:].isdigit() or fraction.isdigit()):
        return None
    return int(max(-308, min(308, len(fraction) - float(exponent or 0))))


class _Growing(Struct):
    """One tag's values so far, and the range of decimals that their texts show."""

    values: array[float] = field(default_factory=lambda: array("d"))
    records: array[int] = field(default_factory=lambda: array("q"))
    fewest: int | None = None
    most: int | None = None


class TableBuilder:
    """Collects records; `build` turns them into a `Table` and starts the next stretch.

    Example:
        >>> builder = TableBuilder()
        >>> builder.begin(7)
        >>> builder.add("loss", 0.25, decimals=2)
        True
        >>> table = builder.build("run.log")
        >>> table.positions.tolist(), table.columns["loss"].decimals
        ([7], (2, 2))
    """

    def __init__(self) -> None:
        self._columns: dict[str, _Growing] = {}
        self._positions = array("q")

    def __len__(self) -> int:
        """Records since the last `build`."""
        return len(self._positions)

    def begin(self, position: int) -> None:
        """Begin a record: what is added from now on belongs to it."""
        self._positions.append(position)

    def add(self, tag: str, value: float, decimals: int | None = None) -> bool:
        """Add a number to the record that was begun last.

        Args:
            tag: the name as logged.
            value: the number; NaN and infinities are kept.
            decimals: digits after the decimal point in its text (`count_decimals`), or None.

        Returns:
            False if the record already has a number of that tag; then the first one stays.
        """
        record = len(self._positions) - 1
        column = self._columns.get(tag)
        if column is None:
            column = self._columns[tag] = _Growing()
        elif column.records[-1] == record:
            return False
        column.values.append(value)
        column.records.append(record)
        if decimals is not None:
            if column.fewest is None or decimals < column.fewest:
                column.fewest = decimals
            if column.most is None or decimals > column.most:
                column.most = decimals
        return True

    def add_records(self, rows: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        """Add many records whose decimals nobody looked at: (position, {tag: number}) each."""
        columns, record = self._columns, len(self._positions)
        for position, row in rows:
            self._positions.append(position)
            for tag, value in row.items():
                column = columns.get(tag)
                if column is None:
                    column = columns[tag] = _Growing()
                column.values.append(value)
                column.records.append(record)
            record += 1

    def build(self, source: str, unit: Unit = "line", storage: Storage = "text") -> Table:
        """The records since the last `build` as a table; the builder is empty afterwards."""
        columns = {
            tag: Column(
                tag,
                np.array(c.values, dtype=np.float64),
                np.array(c.records, dtype=np.int64),
                storage,
                None if c.fewest is None or c.most is None else (c.fewest, c.most),
            )
            for tag, c in self._columns.items()
        }
        positions = np.array(self._positions, dtype=np.int64)
        self._columns, self._positions = {}, array("q")
        return Table(source, columns, positions, unit)
