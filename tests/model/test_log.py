"""A log in stretches is the log as a whole, in memory or in the temporary file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossaudit.errors import InputError
from lossaudit.model.log import Log
from lossaudit.model.table import Column, Storage, Table, concatenate

STORAGES: list[Storage] = ["text", "float64", "float32"]


def random_table(seed: int, source: str = "log") -> Table:
    """A stretch of up to 40 records in which tags come and go."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 40))
    columns = {}
    for tag in rng.choice(["a", "b", "c"], int(rng.integers(0, 4)), replace=False).tolist():
        records = np.flatnonzero(rng.random(count) < rng.choice([0.5, 2.0]))
        values = rng.normal(size=len(records))
        values[rng.random(len(records)) < 0.1] = np.nan
        shown = (int(rng.integers(0, 3)), int(rng.integers(3, 6))) if rng.random() < 0.7 else None
        columns[tag] = Column(tag, values, records, STORAGES[rng.integers(3)], shown)
    positions = np.cumsum(rng.integers(1, 3, count))
    return Table(source, columns, positions, "line", rng.integers(0, 9, count))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5), st.sampled_from([0, 300, 1 << 20]))
def test_a_log_is_its_stretches_one_after_the_other(seeds: list[int], budget: int) -> None:
    tables = [random_table(s, f"file {i}") for i, s in enumerate(seeds)]
    log = Log("log", budget)
    for table in tables:
        log.append(table)
    whole = concatenate(tables)
    again = log.whole(list(log.columns))
    assert list(log.columns) == list(whole.columns) == list(again.columns)
    np.testing.assert_array_equal(again.steps, whole.steps)
    for tag, column in whole.columns.items():
        known = log.columns[tag]
        for found in (again.columns[tag], known):
            assert (found.storage, found.decimals) == (column.storage, column.decimals)
        assert known.count == len(column.values)
        np.testing.assert_array_equal(np.concatenate(list(known.blocks())), column.values)
        np.testing.assert_array_equal(again.columns[tag].records, column.records)
    places = [log.locate(r) for r in range(log.records)]
    assert places == [(t.source, p) for t in tables for p in t.positions.tolist()]


def test_what_memory_may_not_hold_goes_to_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    log = Log("log", budget=0)
    values = np.random.default_rng(0).normal(size=1000)
    log.append(Table("log", {"a": Column("a", values, np.arange(1000))}, np.arange(1000)))
    (held,) = log.columns["a"].blocks()
    np.testing.assert_array_equal(held, values)
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_that_takes_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    table = Table("log", {"a": Column("a", np.ones(5), np.arange(5))}, np.arange(5))
    with pytest.raises(InputError) as raised:
        Log("log", budget=0).append(table)
    assert "the log is larger than 0 MiB of numbers and the temporary folder" in str(raised.value)
    assert "try: name a folder with more room in the environment variable TMPDIR" in str(
        raised.value
    )
