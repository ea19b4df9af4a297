"""Reads one Parquet file and writes its numbers to standard output; run as a process of its own.

polars aborts its whole process on some forged files ("memory allocation of 2305843009213693952
bytes failed"), which no caller can catch. So `logs/parquet_table.py` runs this file, which imports
nothing of ours, and survives it. The file is there once standard input ends; polars loads before.

The output is, for each stretch of rows, a line of JSON with `rows` and `columns` ([tag, dtype,
count] each), then for each column, where it has fewer values than rows, `rows` bytes that tell 1
for a row that has one, and `count` float64 values. It ends in a line without rows, or with an
`error`.
"""

from __future__ import annotations

import gc
import json
import sys
from typing import BinaryIO

import numpy as np


def write_columns(path: str, rows: int, out: BinaryIO) -> None:
    """Write the integer and floating columns of the file at `path`, `rows` rows at a time."""
    import polars

    schema = polars.read_parquet_schema(path)
    tags = [tag for tag, dtype in schema.items() if dtype.is_integer() or dtype.is_float()]
    wanted = polars.scan_parquet(path, glob=False).select(tags)
    first, height = 0, rows
    while tags and height == rows:
        frame = wanted.slice(first, rows).collect()
        height = frame.height
        first += height
        counted = [(tag, str(schema[tag]), height - frame[tag].null_count()) for tag in tags]
        out.write(json.dumps({"rows": height, "columns": counted}).encode() + b"\n")
        for tag, _, count in counted:
            series = frame[tag]
            if count < height:
                out.write(series.is_not_null().to_numpy().tobytes())
                series = series.drop_nulls()
            with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
                values = series.to_numpy().astype(np.float64, copy=False)
            out.write(np.ascontiguousarray(values).data)
    out.write(b'{"rows": 0, "columns": []}\n')


def main(path: str, rows: int) -> None:
    """The process: `python parquet_worker.py FILE ROWS`."""
    gc.disable()  # nothing of the modules that polars loads is garbage
    import polars

    exceptions = polars.exceptions
    out = sys.stdout.buffer
    sys.stdin.buffer.read()
    try:
        write_columns(path, rows, out)
    except (exceptions.PolarsError, exceptions.PanicException, OSError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        out.write(json.dumps({"error": reason}).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
