"""Reads one Parquet file and writes its numbers to another; run as a process of its own.

    python parquet_worker.py PARQUET NUMBERS ROWS LABELS

The library that reads Parquet aborts its whole process on some forged files ("memory allocation of
2305843009213693952 bytes failed"), which no caller can catch. So `logs/parquet_table.py` runs this
file, which imports nothing of ours, and survives it.

What was written is told on standard output: for each stretch of at most ROWS rows a line of JSON
with `rows`, `start`, `columns` ([tag, storage, shift] each) and `labels` ([name, texts] each). From
byte `start` of NUMBERS stand, for each column, `rows` float64 values, and, unless `shift` is null,
bits that tell 1 for a row that has a value, the lowest bit first, from bit `shift` on; then, for
each text column among LABELS (separated by commas), a byte for each row, the place of its text
among `texts`; each padded to a multiple of 8 bytes. It ends in a line without rows, or with an
`error`. NUMBERS grows ahead of what is written, by at least half, so that it takes few maps.
"""

from __future__ import annotations

import ctypes
import gc
import json
import re
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from arro3.core import Array, DataType, RecordBatch

_LEAST = 1 << 24
_ALIGNED = 8
_MOST_TEXTS = 100
_WRAPPINGS = (
    r"^called `Result::unwrap\(\)` on an `Err` value: (.*)$",
    r'^\w+\("(.*)"\)$',
    r"^(?:(?:C Data interface|Parquet argument|Parquet) error: )+(.*)$",
)


class _ArrowArray(ctypes.Structure):
    """`struct ArrowArray` of the Arrow C data interface, up to its buffers."""

    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    )


_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = (ctypes.py_object, ctypes.c_char_p)


def write_columns(path: str, rows: int, labels: Collection[str], out: BinaryIO) -> None:
    """Write the columns of numbers and the labels in the file at `path`, `rows` rows at a time."""
    from arro3.io import read_parquet

    size, storages = 0, None
    for batch in read_parquet(path, batch_size=rows):
        storages = _storages(batch) if storages is None else storages
        if not storages:
            break
        if not batch.num_rows:
            continue
        start = out.tell()
        end = start + 2 * _ALIGNED * (batch.num_rows + 1) * batch.num_columns
        if end > size:
            size = out.truncate(max(end + end // 2, _LEAST))
        columns = [
            (batch.schema.field(place).name, storage, _write(batch.column(place), out))
            for place, storage in storages.items()
        ]
        names = [name for name in batch.schema.names if name.lower() in labels]
        told = [(name, _write_texts(batch.column(name), out)) for name in names]
        out.flush()
        _tell({"rows": batch.num_rows, "start": start, "columns": columns, "labels": told})
    _tell({"rows": 0, "start": 0, "columns": [], "labels": []})


def _storages(batch: RecordBatch) -> dict[int, str]:
    """How the file stores each column of numbers, by the column's place."""
    names = batch.schema.names
    kinds = enumerate(_storage(batch.schema.field(k).type) for k in range(len(names)))
    found = {place: storage for place, storage in kinds if storage is not None}
    for place in found:
        if names.count(names[place]) > 1:
            raise ValueError(f"two columns are named {names[place]!r}")
    return found


def _storage(kind: DataType) -> str | None:
    from arro3.core import DataType

    if DataType.is_float16(kind):
        return "float16"
    if DataType.is_float32(kind):
        return "float32"
    return "float64" if DataType.is_float64(kind) or DataType.is_integer(kind) else None


def _write(array: Array, out: BinaryIO) -> int | None:
    """Write a column; returns where its bits start, or None where each row has a value."""
    from arro3.core import DataType

    numbers = array.cast(DataType.float64())
    _, capsule = numbers.__arrow_c_array__()
    found = _ArrowArray.from_address(_pointer_of(capsule, b"arrow_array"))
    bits, values = found.buffers[0], found.buffers[1]
    _copy(values + found.offset * 8, found.length * 8, out)
    if not numbers.null_count:
        return None
    skipped, shift = divmod(int(found.offset), 8)
    _copy(bits + skipped, (shift + found.length + 7) // 8, out)
    return shift


def _write_texts(array: Array, out: BinaryIO) -> list[str]:
    """Write which text each row of a label has; all rows none where there are too many texts."""
    from arro3.core import DataType

    try:
        texts = [text or "" for text in array.cast(DataType.string()).to_pylist()]
    except Exception:  # noqa: BLE001 - whatever cannot be cast to text is no label
        texts = [""] * len(array)
    found = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    if len(found) > _MOST_TEXTS:
        texts, found = [""] * len(texts), {"": 0}
    out.write(bytes(map(found.__getitem__, texts)) + bytes(-len(texts) % _ALIGNED))
    return list(found)


def _copy(address: int, length: int, out: BinaryIO) -> None:
    out.write((ctypes.c_char * length).from_address(address))
    out.write(bytes(-length % _ALIGNED))


def _tell(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - to the process that started this one


def main(path: str, numbers: str, rows: str, labels: str) -> None:
    """The process."""
    gc.disable()  # nothing of the modules that are loaded is garbage
    try:
        with open(numbers, "r+b") as out:
            write_columns(path, int(rows), labels.split(","), out)
    except BaseException as error:  # noqa: BLE001 - a panic in Rust is no Exception
        _tell({"error": _reason(str(error)) or type(error).__name__})


def _reason(message: str) -> str:
    """What a message says, without the names of Rust's types and calls around it."""
    for wrapping in _WRAPPINGS:
        message = re.sub(wrapping, r"\1", message.partition("\n")[0])
    return message


if __name__ == "__main__":
    main(*sys.argv[1:])
