"""The parquet reader on what pyarrow and polars write, and on files that are cut or forged."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import FIXTURES, check_fixture, located, read

from lossaudit.model.table import Damage, Table
from lossaudit.witnesses import parquet_process
from lossaudit.witnesses.columns import PART_KEYS
from lossaudit.witnesses.log import read_log
from lossaudit.witnesses.logs.parquet_table import PARQUET_TABLE
from lossaudit.witnesses.parquet_process import start_early
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.stream import LogStream

CASES = sorted(p for p in (FIXTURES / "parquet_table").iterdir() if p.is_dir())
FAR = '{"rows": 2, "start": 1099511627776, "columns": [["a", "float64", null]], "labels": []}'
KINDS = (FIXTURES / "parquet_table/kinds/log.parquet").read_bytes()


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
    storage = {t: c.storage for t, c in table.columns.items() if not t.startswith("val/")}
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
    monkeypatch.setattr(parquet_process, "ROWS", 10)
    for rows in (25, 30):
        table, _ = read(PARQUET_TABLE, written(pl.DataFrame({"a": np.arange(float(rows))})))
        assert located(table) == {"a": [[k + 1, float(k)] for k in range(rows)]}


def test_a_file_that_is_cut_is_one_damage() -> None:
    reason = "Invalid Parquet file. Corrupt footer"
    message = f"no readable Parquet file: {reason}; 0 rows were kept"
    assert read(PARQUET_TABLE, KINDS[:-7]) == (None, [Damage(message, "log", 0, "byte")])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, len(KINDS)))
def test_every_cut_is_damage(length: int) -> None:
    table, damage = read(PARQUET_TABLE, KINDS[:length])
    assert len(damage) == (length < len(KINDS))
    assert (table is None) == (length < len(KINDS))


def test_a_forged_size_is_one_damage() -> None:
    content = KINDS[:40] + b"\x01" + KINDS[41:]  # of a page header
    reason = "Integer overflow: number too small to fit in target type"
    message = f"no readable Parquet file: {reason}; 0 rows were kept"
    assert read(PARQUET_TABLE, content) == (None, [Damage(message, "log", 0, "byte")])


def test_what_the_library_repeats_of_a_forged_text_is_shortened() -> None:
    place = KINDS.index(b"ARROW:schema") + len("ARROW:schema") + 8
    _, (damage,) = read(PARQUET_TABLE, KINDS[:place] + b"\xff" + KINDS[place + 1 :])
    assert "bytes: [47, " in damage.message
    assert damage.message.endswith("…; 0 rows were kept")
    assert len(damage.message) < 300


def test_a_forged_size_that_aborts_the_library_is_one_damage() -> None:
    content = KINDS[:888] + b"\xff" + KINDS[889:]  # of a column's place
    reason = "column start and length should not be negative"
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


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('{"rows": 2, "start": 0, "columns": [], "labels": []}', 2),
        (
            '{"rows": 2, "start": 0, "columns": [["a", "float64", null]], "labels": []}',
            0,
        ),  # nothing was written
        (FAR, 0),
        ('{"rows": 2, "sta', 0),
    ],
)
def test_a_worker_that_ends_in_mid_sentence_is_one_damage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, kept: int
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(f"print({said!r})")
    monkeypatch.setattr(parquet_process, "_WORKER", str(worker))
    reason = "the library that reads Parquet ended with code 0"
    message = f"no readable Parquet file: {reason}; {kept} rows were kept"
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


def test_a_log_that_grows_while_it_is_read_is_damaged(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    log.write_bytes(written(pl.DataFrame({"a": [1.0]})))
    with log.open("rb") as file:
        items = PARQUET_TABLE.read(LogStream(str(log), file), ReadOptions())
        assert isinstance(next(items), Table)
        with log.open("ab") as more:
            more.write(b"PAR1")
        (damage,) = items
    assert isinstance(damage, Damage)
    assert damage.message == "the file was written to while it was read"


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
    assert not parquet_process._early
    log = FIXTURES / "parquet_table/kinds/log.parquet"
    start_early(["check", str(log), str(log)])
    ((_, early),) = parquet_process._early
    assert read_log(str(log)).log.records
    assert not parquet_process._early
    assert early.process.returncode is not None


def test_what_was_read_early_of_a_file_that_changed_since_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    log.write_bytes(written(pl.DataFrame({"a": [1.0]})))
    start_early([str(log)])
    ((_, early),) = parquet_process._early
    log.write_bytes(written(pl.DataFrame({"a": [2.0, 3.0]})))
    (column,) = read_log(str(log)).log.columns.values()
    assert column.count == 2
    assert early.process.returncode is not None


def test_a_process_that_nobody_asks_ends_with_who_started_it(tmp_path: Path) -> None:
    code = (
        "import sys; from lossaudit.witnesses import parquet_process as p; p.start_early(sys.argv);"
        "print(p._early[0][1].process.pid)"
    )
    log = tmp_path / "log.parquet"
    log.write_bytes(written(pl.DataFrame({"a": np.arange(2_000_000.0)})))
    command = [sys.executable, "-c", code, str(log)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{done.stdout.strip()}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert done.stderr == ""


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("page", ["1.0", "2.0"])
def test_every_codec_and_page_of_pyarrow_gives_the_same(codec: str, page: str) -> None:
    random, file = np.random.default_rng(0), io.BytesIO()
    some = [None if k % 3 else float(k) for k in range(5000)]
    expected: dict[str, Any] = {
        "f64": random.random(5000),
        "f32": random.random(5000).astype("f4"),
        "f16": random.random(5000).astype("f2"),
        "i64": random.integers(-(2**62), 2**62, 5000),
        "u64": random.integers(0, 2**63, 5000).astype("u8") * 2 + 1,
        "i8": random.integers(-9, 9, 5000).astype("i1"),
    }
    others = {"text": ["x"] * 5000, "flag": [True] * 5000, "list": [[1.0]] * 5000}
    table = pa.table(expected | {"some": some} | others)
    pq.write_table(table, file, compression=codec, data_page_version=page, row_group_size=1100)
    found, damage = read(PARQUET_TABLE, file.getvalue())
    assert damage == []
    assert found is not None
    assert list(found.columns) == [*expected, "some"]
    for tag, values in expected.items():
        np.testing.assert_array_equal(found.columns[tag].values, values.astype("f8"))
    assert located(found)["some"] == [[k + 1, float(k)] for k in range(0, 5000, 3)]


def test_columns_of_other_types_do_not_stand_in_the_way() -> None:
    text = pl.Series(["x", None, "y"])
    others = {
        "text": text,
        "categories": text.cast(pl.Categorical),
        "enum": text.cast(pl.Enum(["x", "y"])),
        "bytes": text.cast(pl.Binary),
        "decimal": pl.Series([1, 2, 3]).cast(pl.Decimal(10, 2)),
        "date": pl.Series([1, 2, 3]).cast(pl.Date),
        "time": pl.Series([1, 2, 3]).cast(pl.Time),
        "duration": pl.Series([1, 2, 3]).cast(pl.Duration),
        "moment": pl.Series([1, 2, 3]).cast(pl.Datetime("ns", "UTC")),
        "array": pl.Series([[1.0, 2.0]] * 3, dtype=pl.Array(pl.Float64, 2)),
        "struct": pl.Series([{"a": 1.0, "b": "x"}] * 3),
        "nulls": pl.Series([None] * 3),
    }
    table, damage = read(PARQUET_TABLE, written(pl.DataFrame({"a": [1.0, 2.0, 3.0]} | others)))
    assert (located(table), damage) == ({"a": [[1, 1.0], [2, 2.0], [3, 3.0]]}, [])


def test_two_columns_of_one_name_are_one_damage() -> None:
    file, ones = io.BytesIO(), pa.array([1.0])
    pq.write_table(pa.Table.from_arrays([ones, ones], names=["a", "a"]), file)
    message = "no readable Parquet file: two columns are named 'a'; 0 rows were kept"
    assert read(PARQUET_TABLE, file.getvalue()) == (None, [Damage(message, "log", 0, "byte")])


def test_rows_of_other_parts_have_tags_of_their_own(tmp_path: Path) -> None:
    assert set(parquet_process.LABELS.split(",")) == PART_KEYS
    splits = ["train", "train", "val", None, "test"]
    for kind in (pl.String, pl.Categorical):
        frame = pl.DataFrame(
            {
                "loss": [1.0, 2.0, 3.0, 4.0, 5.0],
                "kl": [None, 0.5, 0.25, None, 1.0],
                "Split": pl.Series(splits).cast(kind),
                "phase": ["x"] * 5,
            }
        )
        table, damage = read(PARQUET_TABLE, written(frame))
        assert damage == []
        assert located(table) == {
            "loss": [[1, 1.0], [2, 2.0], [4, 4.0]],
            "kl": [[2, 0.5]],
            "val/loss": [[3, 3.0]],
            "val/kl": [[3, 0.25]],
            "test/loss": [[5, 5.0]],
            "test/kl": [[5, 1.0]],
        }


def test_a_column_of_many_texts_is_no_label() -> None:
    frame = pl.DataFrame({"loss": np.arange(200.0), "mode": [f"val{k}" for k in range(200)]})
    table, _ = read(PARQUET_TABLE, written(frame))
    assert table is not None
    assert list(table.columns) == ["loss"]


def test_many_small_logs_take_no_file_handles(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    log.write_bytes(written(pl.DataFrame({"a": np.arange(1000.0)})))
    before = len([*Path("/proc/self/fd").iterdir()])
    kept = [read_log(str(log)) for _ in range(5)]
    assert len([*Path("/proc/self/fd").iterdir()]) == before
    assert {k.log.records for k in kept} == {1000}


def test_many_stretches_take_few_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_process, "ROWS", 1000)
    log = tmp_path / "log.parquet"
    pl.DataFrame({"a": np.arange(3_000_000.0)}).write_parquet(log)
    before = len([*Path("/proc/self/fd").iterdir()])
    (column,) = (read := read_log(str(log))).log.columns.values()
    assert len([*Path("/proc/self/fd").iterdir()]) - before < 10
    assert (column.count, read.damage) == (3_000_000, ())
