"""The json reader: what HF's Trainer and Keras write, and documents that are damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import FIXTURES, check_fixture, located, read, values

from lossaudit.model.table import Damage
from lossaudit.witnesses.logs import json_document
from lossaudit.witnesses.logs.json_document import JSON_DOCUMENT

CASES = sorted(p for p in (FIXTURES / "json_document").iterdir() if p.is_dir())
RECORD = st.dictionaries(st.sampled_from("abc"), st.floats(), min_size=1)


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_fixture_reads_as_its_truth(case: Path) -> None:
    check_fixture(JSON_DOCUMENT, case)


@given(
    st.lists(RECORD, min_size=1),
    st.sampled_from([lambda r: r, lambda r: {"log": r, "n": 3}, lambda r: {"a": {"b": r}}]),
    st.sampled_from([None, 2]),
)
def test_reads_what_the_json_module_writes(records: Any, wrap: Any, indent: int | None) -> None:
    content = json.dumps(wrap(records), indent=indent).encode()
    table, damage = read(JSON_DOCUMENT, content)
    expected: dict[str, list[list[float]]] = {}
    for row, record in enumerate(records, 1):
        for tag, value in record.items():
            expected.setdefault(tag, []).append([row, value])
    assert damage == []
    assert repr(sorted(located(table).items())) == repr(sorted(expected.items()))
    assert JSON_DOCUMENT.sniff(content[: 1 << 16], "") >= 70


@given(st.binary() | st.text('{}[]",:0123456789eEn.\n ').map(str.encode))
def test_arbitrary_bytes_never_raise(content: bytes) -> None:
    read(JSON_DOCUMENT, content)
    assert 0 <= JSON_DOCUMENT.sniff(content, "log") < 90


def test_positions_count_rows() -> None:
    table, _ = read(JSON_DOCUMENT, b'[{"a": 1}, {}, {"a": 3}]')
    assert table is not None
    assert (table.unit, table.positions.tolist()) == ("row", [1, 3])


def test_the_longest_list_counts() -> None:
    document = {"few": [{"a": 1}], "many": {"log": [{"b": 1}, {"b": 2}]}, "names": ["x"] * 9}
    assert values(JSON_DOCUMENT, json.dumps(document).encode()) == {"b": [1.0, 2.0]}


def test_a_single_object_is_one_record() -> None:
    assert values(JSON_DOCUMENT, b'{\n "train": {"loss": 0.5}\n}\n') == {"train.loss": [0.5]}


def test_a_document_that_is_cut_keeps_the_records_before() -> None:
    whole = json.dumps({"epoch": 1.0, "log_history": [{"loss": k} for k in range(9)]}, indent=2)
    content = whole[: whole.index('"loss": 5') + 5].encode()
    table, damage = read(JSON_DOCUMENT, content)
    assert located(table) == {"loss": [[k + 1, float(k)] for k in range(5)]}
    message = "not JSON: Unterminated string starting at at column 7; 5 records before it were kept"
    assert damage == [Damage(message, "log", 20)]


@given(st.integers(0, 400))
def test_every_cut_keeps_all_whole_records(length: int) -> None:
    whole = json.dumps({"n": 1, "log": [{"a": [{"x": 1}], "loss": k} for k in range(12)]})
    table, damage = read(JSON_DOCUMENT, whole[:length].encode())
    complete = whole[:length].count("},")
    kept = 0 if table is None or "loss" not in table.columns else table.columns["loss"].values.size
    assert kept >= complete
    assert damage or length in (0, *range(len(whole), 401))


def test_arrays_that_are_cut_are_one_damage() -> None:
    table, damage = read(JSON_DOCUMENT, b'{"loss": [1, 2, ')
    message = "not JSON: Expecting value at column 17; nothing was kept"
    assert (table, damage) == (None, [Damage(message, "log", 1)])


def test_a_repeated_key_is_named_and_its_record_left_out() -> None:
    table, damage = read(JSON_DOCUMENT, b'[{"a": 1}, {"a": 2, "a": 3}, {"a": 4}]')
    assert located(table) == {"a": [[1, 1.0], [3, 4.0]]}
    assert damage == [Damage("key 'a' stands twice in one object", "log", 2, "row")]


def test_an_integer_of_5000_digits_is_left_out() -> None:
    content = b'[{"a": 1}, {"a": ' + b"9" * 5000 + b'}, {"a": 1e400}]'
    table, damage = read(JSON_DOCUMENT, content)
    assert located(table) == {"a": [[1, 1.0], [3, float("inf")]]}
    assert damage == [Damage("an integer of 5,000 digits", "log", 2, "row")]


def test_depth_of_100_000_is_refused() -> None:
    table, damage = read(JSON_DOCUMENT, b"[" * 10**5 + b"]" * 10**5)
    message = "JSON that is nested too deeply; nothing was kept"
    assert (table, damage) == (None, [Damage(message, "log", 1)])


def test_an_element_that_is_no_object_is_left_out() -> None:
    table, damage = read(JSON_DOCUMENT, b'[{"a": 1}, "x", {"a": 2}]')
    assert located(table) == {"a": [[1, 1.0], [3, 2.0]]}
    assert damage == [Damage("not an object: 'x'", "log", 2, "row")]


def test_an_array_of_another_length_is_left_out() -> None:
    table, damage = read(JSON_DOCUMENT, b'{"a": [1, 2], "b": [1, 2, 3], "c": [3, 4]}')
    assert located(table) == {"a": [[1, 1.0], [2, 2.0]], "c": [[1, 3.0], [2, 4.0]]}
    assert damage == [Damage("array 'b' has 3 values, the others 2", "log", 1, "row")]


def test_an_array_element_that_is_no_number_is_named() -> None:
    table, damage = read(JSON_DOCUMENT, b'{"a": [1, "x", "2.5", null]}')
    assert located(table) == {"a": [[1, 1.0], [3, 2.5]]}
    assert damage == [Damage("array 'a': 'x' is no number", "log", 2, "row")]


def test_a_document_without_records_says_so() -> None:
    message = "no list of objects and no object of arrays in this JSON document"
    assert read(JSON_DOCUMENT, b"[1, 2]") == (None, [Damage(message, "log", 1)])


def test_a_document_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_document, "LARGEST", 10)
    message = "a JSON document of more than 10 bytes"
    assert read(JSON_DOCUMENT, b'[{"a": 1}, {"a": 2}]') == (None, [Damage(message, "log", 1)])


def test_utf16_with_a_mark_is_read() -> None:
    assert values(JSON_DOCUMENT, '[{"é": 1}]'.encode("utf-16")) == {"é": [1.0]}


def test_an_empty_file_gives_nothing() -> None:
    assert read(JSON_DOCUMENT, b"") == (None, [])


@pytest.mark.parametrize(
    ("content", "low", "high"),
    [
        (b'{"log_history": [{"loss": 1}]}\n', 80, 89),
        (b'[\n{"a": 1},\n{"a": 2}\n]\n', 80, 89),
        (b'{"loss": [1, 2]}\n', 80, 89),
        (b'{\n  "epoch": 1,\n  "log_history": [\n    {\n      "lo', 60, 79),
        (b'{"n": 1, "log": [' + b'{"loss": 1}, ' * 9000, 70, 89),
        (b'{\n "a": 1\n}\n', 50, 70),
        (b"", 0, 0),
        (b'{"a": 1}\n{"b": 2}\n', 0, 0),
        (b'{"a": 1, "b": [{"c": 1}]}\n{"a": 2, "b": [{"c": 1}]}\n', 0, 0),
        (b'{"a": 1}\n{"b": [{"c": \n{"b": 2}\n', 0, 0),
        (b'{"a": 1}\n', 0, 0),
        (b"[2021-01-01 10:00] loss 0.5\n", 0, 0),
        (b"{'loss': 0.5}\n", 0, 0),
        (b"step,loss\n1,2\n", 0, 0),
    ],
)
def test_sniff_goes_by_content(content: bytes, low: int, high: int) -> None:
    assert low <= JSON_DOCUMENT.sniff(content[: 1 << 16], "x.csv") <= high


def test_a_second_list_of_records_is_reported() -> None:
    content = b'{"train": [{"loss": 1}, {"loss": 2}], "val": [{"loss": 3}], "layers": [{"x": 1}]}'
    table, damage = read(JSON_DOCUMENT, content)
    assert located(table) == {"loss": [[1, 1.0], [2, 2.0]]}
    message = "a second list of 1 such records was left out; only the longest is read"
    assert damage == [Damage(message, "log", 1)]
