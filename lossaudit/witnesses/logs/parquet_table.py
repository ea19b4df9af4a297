"""Parquet: the numeric columns of a table file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from threading import Event
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from lossaudit.model.table import Column, Damage, Floats, Ints, Storage, Table
from lossaudit.witnesses.parquet_process import MAGIC, parquet_process
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

if TYPE_CHECKING:
    import subprocess

_ROWS = 1 << 17
_ARENA = 1 << 22
_STORAGE: dict[str, Storage] = {"Float16": "float16", "Float32": "float32"}


class _RefusedError(Exception):
    """The library cannot read the file."""


def sniff(head: bytes, name: str) -> int:
    """The magic number decides."""
    return 100 if head.startswith(MAGIC) else 0


def read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage]:
    """Read the integer and floating columns; nulls are missing values, positions rows from 1.

    A file that polars refuses is one `Damage`, for its index stands at its end: without it nothing
    can be kept. polars runs in a process of its own, see `parquet_worker`.
    """
    rows = 0
    worker, errors = parquet_process()
    with worker, errors, _file_of(stream) as path, _digesting(stream):
        try:
            _ask(worker, path)
            for table in _tables(worker, errors, stream.name):
                rows += table.records
                yield table
        except _RefusedError as error:
            message = f"no readable Parquet file: {error}; {rows:,} rows were kept"
            yield Damage(message, stream.name, 0, "byte")
        finally:
            worker.kill()


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


def _ask(worker: subprocess.Popen[bytes], path: str) -> None:
    assert worker.stdin is not None
    with suppress(BrokenPipeError), worker.stdin as request:
        request.write(json.dumps([path, _ROWS]).encode())


def _tables(worker: subprocess.Popen[bytes], errors: IO[bytes], source: str) -> Iterator[Table]:
    """The stretches that the worker writes, up to where it says that it has written all."""
    assert isinstance(worker.stdout, BufferedReader)
    out, first, found = _Arrays(worker.stdout), 1, {"rows": 1}
    while found["rows"]:
        try:
            found = json.loads(out.source.readline())
            if "error" in found:
                raise _RefusedError(found["error"])
            every = np.arange(found["rows"], dtype=np.int64)
            columns = {c[0]: _column(out, every, *c) for c in found["columns"]}
        except ValueError:  # the worker died, perhaps in mid-sentence
            raise _RefusedError(_last_words(errors, worker.wait())) from None
        if len(every):
            yield Table(source, columns, first + every, "row")
        first += len(every)


def _column(out: _Arrays, every: Ints, tag: str, dtype: str, count: int) -> Column:
    """The next column; `ValueError` if it is cut."""
    records = every
    if count < len(every):
        records = every[out.fill(np.empty(len(every), np.bool_))]
    values = out.floats(count)
    return Column(tag, values, records, _STORAGE.get(dtype, "float64"))


class _Arrays(Struct):
    """The arrays that a process writes; `ValueError` if one is cut.

    Those of float64 are cut from memory so large that the kernel gives huge pages for it.
    """

    source: BufferedReader
    _memory: Floats = field(default_factory=lambda: np.empty(0))

    def floats(self, count: int) -> Floats:
        """The next `count` numbers."""
        if len(self._memory) < count:
            self._memory = np.empty(max(count, _ARENA))
        taken, self._memory = self._memory[:count], self._memory[count:]
        return self.fill(taken)

    def fill(self, array: NDArray[Any]) -> NDArray[Any]:
        """The next bytes, in an array of ours."""
        if len(array) and self.source.readinto(array.data.cast("B")) < array.nbytes:
            raise ValueError("cut")
        return array


def _last_words(errors: IO[bytes], code: int) -> str:
    errors.seek(0)
    lines = errors.read(1 << 16).decode("utf-8", "replace").splitlines()
    memory = [line for line in lines if line.startswith("memory allocation of")]
    return memory[0] if memory else f"polars ended with code {code}"


PARQUET_TABLE = Reader("parquet", "Parquet tables", sniff, read)
