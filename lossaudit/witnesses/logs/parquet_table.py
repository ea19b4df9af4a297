"""Parquet: the numeric columns of a table file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from lossaudit.model.table import Column, Damage, Storage, Table
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

if TYPE_CHECKING:
    import polars

_MAGIC = b"PAR1"
_ROWS = 1 << 20
_STORAGE: dict[str, Storage] = {"Float16": "float16", "Float32": "float32"}


def sniff(head: bytes, name: str) -> int:
    """The magic number decides."""
    return 100 if head.startswith(_MAGIC) else 0


def read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage]:
    """Read the integer and floating columns; nulls are missing values, positions rows from 1.

    A file that the library refuses is one `Damage`, for its index stands at its end: without it
    nothing can be kept.
    """
    import polars

    refused = (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError, ValueError)
    with stream.seekable() as file:
        row = 0
        try:
            for table in _tables(file, stream.name):
                row += table.records
                yield table
        except refused as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            message = f"no readable Parquet file: {reason}; {row:,} rows were kept"
            yield Damage(message, stream.name, 0, "byte")


def _tables(file: BinaryIO, source: str) -> Iterator[Table]:
    import polars

    schema = polars.read_parquet_schema(file)
    tags = [tag for tag, dtype in schema.items() if dtype.is_integer() or dtype.is_float()]
    file.seek(0)
    wanted = polars.scan_parquet(file).select(tags)
    first, rows = 0, _ROWS
    while tags and rows == _ROWS:
        frame = wanted.slice(first, _ROWS).collect()
        rows = frame.height
        if rows:
            columns = {tag: _column(frame[tag]) for tag in tags}
            yield Table(source, columns, np.arange(first + 1, first + rows + 1), "row")
        first += rows


def _column(series: polars.Series) -> Column:
    shown = series.is_not_null().to_numpy()
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        values = series.drop_nulls().to_numpy().astype(np.float64)
    storage = _STORAGE.get(str(series.dtype), "float64")
    return Column(series.name, values, np.flatnonzero(shown), storage)


PARQUET_TABLE = Reader("parquet", "Parquet tables", sniff, read)
