"""The parquet reader on what pyarrow and polars write, and on files that are cut or forged."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import FIXTURES, check_fixture, located, read

from lossaudit.model.table import Damage, Table
from lossaudit.witnesses import parquet_process
from lossaudit.witnesses.log import read_log
from lossaudit.witnesses.logs import parquet_table
from lossaudit.witnesses.logs.parquet_table import PARQUET_TABLE
from lossaudit.witnesses.parquet_process import start_early
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.stream import LogStream

CASES = sorted(p for p in (FIXTURES / "parquet_table").iterdir() if p.is_dir())
KINDS = (FIXTURES / "parquet_table/kinds/log.parquet").read_bytes()

FORGED = 40  # a byte of a page header


def written(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_fixture_reads_as_its_truth(case: Path) -> None:
    check_fixture(PARQUET_TABLE, case)


def test_storage_is_that_of_the_column() -> None:
    table, _ = read(PARQUET_TABLE, KINDS)
    assert table is not None
    storage = {tag: column.storage for tag, column in table.columns.items()}
    expected = {"step": "float64", "loss": "float64", "lip": "float32", "latents": "float16"}
    assert (storage, table.unit) == (expected, "row")


@settings(max_examples=6, deadline=None)
@given(st.lists(st.tuples(st.none() | st.floats(), st.none() | st.integers(-99, 99)), min_size=1))
def test_reads_what_polars_writes(rows: list[tuple[float | None, int | None]]) -> None:
    frame = pl.DataFrame(rows, {"a": pl.Float64, "b": pl.Int64}, orient="row")
    table, damage = read(PARQUET_TABLE, written(frame))
    expected = {
        tag: [[i, float(v)] for i, r in enumerate(rows, 1) if (v := r[k]) is not None]
        for k, tag in enumerate("ab")
    }
    assert damage == []
    assert repr(located(table)) == repr(expected)


def test_stretches_join_to_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_table, "_ROWS", 10)
    for rows in (25, 30):
        table, _ = read(PARQUET_TABLE, written(pl.DataFrame({"a": np.arange(float(rows))})))
        assert located(table) == {"a": [[k + 1, float(k)] for k in range(rows)]}


def test_a_file_that_is_cut_is_one_damage() -> None:
    reason = "parquet: File out of specification: The file must end with PAR1 or PARE"
    message = f"no readable Parquet file: {reason}; 0 rows were kept"
    assert read(PARQUET_TABLE, KINDS[:-7]) == (None, [Damage(message, "log", 0, "byte")])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, len(KINDS)))
def test_every_cut_is_damage(length: int) -> None:
    table, damage = read(PARQUET_TABLE, KINDS[:length])
    assert len(damage) == (length < len(KINDS))
    assert (table is None) == (length < len(KINDS))


def test_a_forged_size_that_aborts_polars_is_one_damage() -> None:
    content = KINDS[:FORGED] + b"\x01" + KINDS[FORGED + 1 :]
    reason = "memory allocation of 2305843009213693952 bytes failed"
    message = f"no readable Parquet file: {reason}; 0 rows were kept"
    assert read(PARQUET_TABLE, content) == (None, [Damage(message, "log", 0, "byte")])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, len(KINDS) - 1), st.integers(0, 255))
def test_a_forged_byte_never_raises(place: int, byte: int) -> None:
    read(PARQUET_TABLE, KINDS[:place] + bytes([byte]) + KINDS[place + 1 :])


@settings(max_examples=5, deadline=None)
@given(st.binary())
def test_arbitrary_bytes_never_raise(content: bytes) -> None:
    table, damage = read(PARQUET_TABLE, b"PAR1" + content + b"PAR1")
    assert (table, len(damage)) == (None, 1)


def test_a_worker_that_ends_without_a_last_word_is_one_damage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = 'import sys; sys.stdin.read(); print(\'{"rows": 2, "columns": []}\')'

    def process() -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        errors, pipe = tempfile.TemporaryFile(), subprocess.PIPE  # noqa: SIM115 - closed by the reader
        command = [sys.executable, "-c", code]
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors), errors

    monkeypatch.setattr(parquet_table, "parquet_process", process)
    message = "no readable Parquet file: polars ended with code 0; 2 rows were kept"
    assert read(PARQUET_TABLE, KINDS)[1] == [Damage(message, "log", 0, "byte")]


def test_a_reader_that_is_left_early_ends_its_worker() -> None:
    stream = LogStream("log", io.BytesIO(KINDS))
    items = PARQUET_TABLE.read(stream, ReadOptions())
    assert isinstance(next(items), Table)
    items.close()  # type: ignore[attr-defined] # a ResourceWarning would fail this test


def test_tables_without_rows_or_numbers_give_nothing() -> None:
    assert read(PARQUET_TABLE, written(pl.DataFrame({"a": [1.0]}).clear())) == (None, [])
    assert read(PARQUET_TABLE, written(pl.DataFrame({"a": ["x"]}))) == (None, [])


def test_sniff_goes_by_the_magic_number() -> None:
    assert PARQUET_TABLE.sniff(KINDS, "x.csv") == 100
    assert PARQUET_TABLE.sniff(b"", "x.parquet") == 0
    assert PARQUET_TABLE.sniff(b"a,b\n1,2\n", "x.parquet") == 0


def test_a_log_that_is_replaced_after_it_was_opened_is_read_as_it_was(tmp_path: Path) -> None:
    log, other = tmp_path / "log.parquet", tmp_path / "other.parquet"
    log.write_bytes(written(pl.DataFrame({"a": [1.0]})))
    other.write_bytes(written(pl.DataFrame({"a": [2.0]})))
    with log.open("rb") as file:
        stream = LogStream(str(log), file)
        other.replace(log)
        (table,) = PARQUET_TABLE.read(stream, ReadOptions())
        assert located(table) == {"a": [[1, 1.0]]}
        assert "replaced by another file" in stream.changes()[0].message


def test_the_digest_of_a_file_covers_all_of_it(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    log.write_bytes(written(pl.DataFrame({"a": np.random.default_rng(0).random(400_000)})))
    read_ = read_log(str(log))
    assert read_.log.records == 400_000
    assert read_.sha256 == hashlib.sha256(log.read_bytes()).hexdigest()


def test_a_compressed_file_is_read_from_a_copy(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet.gz"
    log.write_bytes(gzip.compress(KINDS))
    assert read_log(str(log)).log.records == read(PARQUET_TABLE, KINDS)[0].records


def test_the_process_starts_early_where_an_argument_is_a_parquet_file(tmp_path: Path) -> None:
    csv = tmp_path / "log.parquet"
    csv.write_text("a,b\n1,2\n")
    start_early(["check", "-f", "total = a", str(csv), str(tmp_path), "\0", "missing"])
    assert not parquet_process._waiting
    log = FIXTURES / "parquet_table/kinds/log.parquet"
    start_early(["check", str(log)])
    start_early([str(log)])
    ((worker, _),) = parquet_process._waiting
    assert read_log(str(log)).log.records
    assert not parquet_process._waiting
    assert worker.returncode is not None


def test_a_process_that_nobody_asks_ends_without_a_word() -> None:
    worker, errors = parquet_process._start()
    with errors:
        out, _ = worker.communicate(timeout=60)
        errors.seek(0)
        assert (worker.returncode, out, errors.read()) == (0, b"", b"")
