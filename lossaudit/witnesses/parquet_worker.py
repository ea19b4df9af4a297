"""Reads one Parquet file and writes its numbers to standard output; run as a process of its own.

polars aborts its whole process on some forged files ("memory allocation of 2305843009213693952
bytes failed"), which no caller can catch. So `logs/parquet_table.py` runs this file, which imports
nothing of ours, and survives it. polars loads while the request is still to come: one JSON list on
standard input, the file's path and how many rows to write at a time.

The output is, for each stretch of rows, a line of JSON with `rows` and `columns` ([tag, dtype,
count] each), then for each column, where it has fewer values than rows, `rows` bytes that tell 1
for a row that has one, and `count` float64 values. It ends in a line without rows, or with an
`error`.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import polars

_AT_ONCE = 1 << 19
"""Rows that polars reads together."""


def write_columns(path: str, rows: int, out: BinaryIO) -> None:
    """Write the integer and floating columns of the file at `path`, `rows` rows at a time."""
    import polars

    schema = polars.read_parquet_schema(path)
    tags = [tag for tag, dtype in schema.items() if dtype.is_integer() or dtype.is_float()]
    wanted = polars.scan_parquet(path, glob=False).select(tags)
    for frame in _stretches(wanted, rows) if tags else ():
        counted = [(tag, str(schema[tag]), frame.height - frame[tag].null_count()) for tag in tags]
        out.write(json.dumps({"rows": frame.height, "columns": counted}).encode() + b"\n")
        for tag in tags:
            _write(frame[tag], out)
    out.write(b'{"rows": 0, "columns": []}\n')


def _stretches(wanted: polars.LazyFrame, rows: int) -> Iterator[polars.DataFrame]:
    """The rows in order; while some are written, the next ones are read."""
    first, height = 0, _AT_ONCE
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(wanted.slice(first, _AT_ONCE).collect)
        while height == _AT_ONCE:
            frame = coming.result()
            height = frame.height
            first += height
            if height == _AT_ONCE:
                coming = pool.submit(wanted.slice(first, _AT_ONCE).collect)
            yield from frame.iter_slices(rows)


def _write(series: polars.Series, out: BinaryIO) -> None:
    import numpy as np

    if series.null_count():
        out.write(series.is_not_null().to_numpy().tobytes())
        series = series.drop_nulls()
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        values = series.to_numpy().astype(np.float64, copy=False)
    out.write(np.ascontiguousarray(values).data)


def main() -> None:
    """The process: `python parquet_worker.py`."""
    gc.disable()  # nothing of the modules that polars loads is garbage
    import polars

    exceptions = polars.exceptions
    out = sys.stdout.buffer
    threading.Thread(target=import_module, args=("numpy",)).start()  # while we wait
    request = sys.stdin.buffer.read()
    if not request:
        return  # nobody needs us
    path, rows = json.loads(request)
    try:
        write_columns(path, rows, out)
    except (exceptions.PolarsError, exceptions.PanicException, OSError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        out.write(json.dumps({"error": reason}).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    main()
