"""Parquet: the numeric columns of a table file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from mmap import ACCESS_READ, ALLOCATIONGRANULARITY, mmap
from threading import Event
from typing import IO, Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from lossaudit.model.table import Column, Damage, Ints, Storage, Table
from lossaudit.witnesses.columns import other_part
from lossaudit.witnesses.parquet_process import MAGIC, ParquetProcess, process_for
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

_LONGEST = 200
_COPIED = 1 << 22


class _RefusedError(Exception):
    """The library cannot read the file."""


def sniff(head: bytes, name: str) -> int:
    """The magic number decides."""
    return 100 if head.startswith(MAGIC) else 0


def read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage]:
    """Read the integer and floating columns; nulls are missing values, positions rows from 1.

    A file that the library refuses is one `Damage`, for its index stands at its end: without it
    nothing can be kept. The library runs in a process of its own, see `parquet_worker`.
    """
    rows, size = 0, _size(stream)
    with _file_of(stream) as path, _digesting(stream):
        worker = process_for(path)
        try:
            for table in _tables(worker, stream.name):
                rows += table.records
                yield table
        except _RefusedError as error:
            message = f"no readable Parquet file: {error}; {rows:,} rows were kept"
            yield Damage(message, stream.name, 0, "byte")
        finally:
            worker.end()
    if _size(stream) != size:  # neither what was read nor its digest is of this file
        yield Damage("the file was written to while it was read", stream.name, 0, "byte")


def _size(stream: LogStream) -> int:
    return os.fstat(stream.stored.fileno()).st_size if stream.path() is not None else 0


@contextmanager
def _file_of(stream: LogStream) -> Iterator[str]:
    """A file with the stream's content: the open log itself where it has a name, or a copy."""
    if (path := stream.path()) is not None:
        yield path
        return
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.writelines(stream.blocks())
        file.flush()
        yield file.name


@contextmanager
def _digesting(stream: LogStream) -> Iterator[None]:
    """The stream is digested in a thread; what is left of it when we leave waits for others."""
    from concurrent.futures import ThreadPoolExecutor

    left = Event()

    def digest() -> None:
        for _ in stream.blocks():
            if left.is_set():
                return

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(digest)
        try:
            yield
        finally:
            left.set()
    done.result()


def _tables(worker: ParquetProcess, source: str) -> Iterator[Table]:
    """The stretches that the worker writes, up to where it says that it has written all."""
    assert worker.process.stdout is not None
    numbers, first, found = _Numbers(worker.numbers), 1, {"rows": 1}
    while found["rows"]:
        try:
            found = json.loads(worker.process.stdout.readline())
            if "error" in found:
                raise _RefusedError(_shortened(found["error"]))
            every = np.arange(found["rows"], dtype=np.int64)
            numbers.go_to(found["start"])
            columns = {c[0]: _column(numbers, every, *c) for c in found["columns"]}
            for name, texts in found["labels"]:
                places = numbers.take(np.dtype(np.uint8), len(every))
                columns = _parted(columns, [other_part(name, text) for text in texts], places)
        except ValueError:  # the worker died, perhaps in mid-sentence
            raise _RefusedError(_last_words(worker)) from None
        if len(every):
            yield Table(source, columns, first + every, "row")
        first += len(every)


def _column(
    numbers: _Numbers, every: Ints, tag: str, storage: Storage, shift: int | None
) -> Column:
    """The next column; `ValueError` if it is cut."""
    values, records = numbers.take(np.dtype(np.float64), len(every)), every
    if shift is not None:
        bits = numbers.take(np.dtype(np.uint8), (shift + len(every) + 7) // 8)
        present = np.unpackbits(bits, bitorder="little")[shift:][: len(every)].astype(np.bool_)
        values, records = values[present], every[present]
    return Column(tag, values, records, storage)


def _parted(
    columns: dict[str, Column], parts: Sequence[str], places: NDArray[np.uint8]
) -> dict[str, Column]:
    """The columns, those of rows of other parts than training apart, as `other_part` says."""
    if not any(parts):
        return columns
    found = {}
    for part in dict.fromkeys(parts):
        own = np.isin(places, [k for k, p in enumerate(parts) if p == part])
        for tag, column in columns.items():
            kept = own[column.records]
            name = f"{part}/{tag}" if part else tag
            if kept.any():
                values, records = column.values[kept], column.records[kept]
                found[name] = Column(name, values, records, column.storage)
    return found


class _Numbers(Struct):
    """What the worker has written; arrays are views of its file, which is mapped a few times.

    The first of them are copies: many small logs would take a file handle each.
    """

    file: IO[bytes]
    _at: int = 0
    _mapped: mmap | None = None
    _first: int = 0

    def go_to(self, place: int) -> None:
        """Take from this byte on."""
        self._at = place

    def take(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        """The next `count` numbers; `ValueError` if the file does not hold them."""
        start, self._at = self._at, self._at + -(-count * dtype.itemsize // 8) * 8
        if self._at <= _COPIED:
            content = os.pread(self.file.fileno(), count * dtype.itemsize, start)
            return np.frombuffer(content, dtype, count)
        if self._mapped is None or self._at > self._first + len(self._mapped):
            size = os.fstat(self.file.fileno()).st_size
            if self._at > size:
                raise ValueError("cut")
            self._first = start - start % ALLOCATIONGRANULARITY
            length = size - self._first
            self._mapped = mmap(self.file.fileno(), length, access=ACCESS_READ, offset=self._first)
        return np.frombuffer(self._mapped, dtype, count, start - self._first)


def _shortened(message: str) -> str:
    """The library may repeat what it could not read, as numbers."""
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"


def _last_words(worker: ParquetProcess) -> str:
    code = worker.process.wait()
    worker.errors.seek(0)
    lines = worker.errors.read(1 << 16).decode("utf-8", "replace").splitlines()
    memory = [line for line in lines if line.startswith("memory allocation of")]
    panics = [after for line, after in pairwise(lines) if " panicked at " in line]
    return next(
        map(_shortened, memory + panics), f"the library that reads Parquet ended with code {code}"
    )


PARQUET_TABLE = Reader("parquet", "Parquet tables", sniff, read)
