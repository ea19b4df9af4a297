"""The json-lines reader against Python's json module, real logs, and damage."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import FIXTURES, check_fixture, located, read, read_real, values

from lossaudit.model.table import Damage
from lossaudit.witnesses.logs import json_lines
from lossaudit.witnesses.logs.json_lines import JSON_LINES

CASES = sorted(p for p in (FIXTURES / "json_lines").iterdir() if p.is_dir())

SCALARS = (
    st.floats()
    | st.integers(-(10**20), 10**20)
    | st.booleans()
    | st.none()
    | st.sampled_from(["train", 'a "quoted" word', "0.125", "nan", "-inf", "1_000", "", "é", "\\"])
)
RECORDS = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=2),
    lambda inner: st.dictionaries(st.text('ab"é', max_size=3), inner, max_size=3),
    max_leaves=6,
)


def expected_numbers(record: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """The rule, written once more and slowly."""
    found: dict[str, float] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            found |= expected_numbers(value, f"{prefix}{key}.")
        elif (isinstance(value, float | int) and not isinstance(value, bool)) or value in (
            "0.125",
            "nan",
            "-inf",
        ):
            found[prefix + key] = float(value)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_fixture_reads_as_its_truth(case: Path) -> None:
    check_fixture(JSON_LINES, case)


@given(st.lists(st.dictionaries(st.text('ab"é', max_size=3), RECORDS, max_size=4), max_size=6))
def test_reads_what_the_json_module_writes(records: list[dict[str, Any]]) -> None:
    table, damage = read(JSON_LINES, "".join(json.dumps(r) + "\n" for r in records).encode())
    expected: dict[str, list[list[float]]] = {}
    for line, record in enumerate(records, 1):
        for tag, value in expected_numbers(record).items():
            expected.setdefault(tag, []).append([line, value])
    assert damage == []
    assert repr(sorted((located(table) if table else {}).items())) == repr(sorted(expected.items()))


@given(st.binary() | st.text('{}[]",:0123456789eEn.\n ').map(str.encode))
def test_arbitrary_bytes_never_raise(content: bytes) -> None:
    read(JSON_LINES, content)
    assert 0 <= JSON_LINES.sniff(content, "log") < 90


@pytest.mark.parametrize(
    ("name", "records", "tag", "count"),
    [
        ("mmseg-potato/None.log.json", 4200, "loss", 4000),
        ("mmrotate-lsknet/None.log.json", 365, "loss", 360),
        ("detr-small/log.txt", 7, "train_loss", 7),
        ("d2-maskrcnn-smn/metrics.json", 80, "loss_mask", 80),
    ],
)
def test_real_log_has_all_its_rows(name: str, records: int, tag: str, count: int) -> None:
    table = read_real(JSON_LINES, name)
    assert (table.records, len(table.columns[tag].values)) == (records, count)


def test_real_positions_are_lines_of_the_file() -> None:
    assert read_real(JSON_LINES, "mmseg-potato/None.log.json").positions[:3].tolist() == [3, 4, 5]


def only_damage(content: bytes, kept: dict[str, list[list[float]]]) -> Damage:
    table, damage = read(JSON_LINES, content)
    assert (located(table) if table else {}) == kept
    (one,) = damage
    return one


AROUND = {"a": [[1, 1.0], [3, 3.0]]}


def around(line: bytes) -> bytes:
    return b'{"a": 1}\n' + line + b'\n{"a": 3}\n'


def test_a_line_that_is_no_json_is_left_out() -> None:
    message = """not JSON: Expecting ',' delimiter at column 9 of '{"a": 2 "b": 3}'"""
    assert only_damage(around(b'{"a": 2 "b": 3}'), AROUND) == Damage(message, "log", 2)


def test_foreign_text_between_records_is_left_out() -> None:
    message = (
        "not JSON: Expecting value at column 1 of 'Epoch 1 \\x1b[31mdone, saving the checkpoint'..."
    )
    content = around(b"Epoch 1 \x1b[31mdone, saving the checkpoint to disk")
    assert only_damage(content, AROUND) == Damage(message, "log", 2)


def test_a_line_that_is_no_object_is_left_out() -> None:
    assert only_damage(around(b"[1, 2]"), AROUND) == Damage("not an object: '[1, 2]'", "log", 2)


@pytest.mark.parametrize("line", [b'{"a": 2, "b": 1, "a": 4}', b'{"a": NaN, "a": 4}'])
def test_a_repeated_key_is_named(line: bytes) -> None:
    message = "key 'a' stands twice in one object"
    assert only_damage(around(line), AROUND) == Damage(message, "log", 2)


@pytest.mark.parametrize("line", [b'{"t": {"a": 2, "a": 2}}', b'{"t": {"a": 2}, "t.a": 3}'])
def test_a_repeated_inner_key_is_named_with_its_path(line: bytes) -> None:
    message = "key 't.a' stands twice in one object"
    assert only_damage(around(line), AROUND) == Damage(message, "log", 2)


def test_an_integer_of_5000_digits_is_left_out() -> None:
    line = b'{"a": ' + b"9" * 5000 + b"}"
    assert only_damage(around(line), AROUND) == Damage("an integer of 5,000 digits", "log", 2)


def test_depth_of_100_000_is_left_out() -> None:
    line = b'{"a":' * 10**5 + b"1" + b"}" * 10**5
    assert only_damage(around(line), AROUND) == Damage("JSON that is nested too deeply", "log", 2)


def test_depth_of_100_is_left_out() -> None:
    line = b'{"a":' * 100 + b"1" + b"}" * 100
    assert only_damage(around(line), AROUND) == Damage("objects nested more than 64 deep", "log", 2)


def test_numbers_beyond_float64_are_infinite() -> None:
    lines = (
        b'{"a": 1e400}\n{"a": -1e400}\n{"a": ' + b"9" * 309 + b'}\n{"a": -' + b"9" * 400 + b"}\n"
    )
    assert values(JSON_LINES, lines) == {"a": [math.inf, -math.inf, math.inf, -math.inf]}


def test_nan_and_infinity_tokens_are_numbers() -> None:
    lines = b'{"a": NaN, "b": Infinity, "c": -Infinity, "d": -0.0}\n'
    assert repr(values(JSON_LINES, lines)) == "{'a': [nan], 'b': [inf], 'c': [-inf], 'd': [-0.0]}"


def test_an_incomplete_last_line_is_a_partial_tail() -> None:
    message = """not JSON: Expecting value at column 7 of '{"a": '"""
    expected = Damage(message, "log", 2, partial_tail=True)
    assert only_damage(b'{"a": 1}\n{"a": ', {"a": [[1, 1.0]]}) == expected


def test_an_incomplete_line_that_ends_is_damage() -> None:
    assert not only_damage(b'{"a": 1}\n{"a": \n', {"a": [[1, 1.0]]}).partial_tail


def test_a_complete_last_line_needs_no_newline() -> None:
    assert values(JSON_LINES, b'{"a": 1}\n{"a": 2}') == {"a": [1.0, 2.0]}


def test_blank_lines_and_empty_objects_pass_and_count_as_lines() -> None:
    table, damage = read(JSON_LINES, b'{}\n\n  \n{"a": 1}\r\n{"mode": "val"}\r\n{"a": 2}\r\n')
    assert (located(table), damage) == ({"a": [[4, 1.0], [6, 2.0]]}, [])


def test_an_object_over_two_lines_does_not_shift_positions() -> None:
    table, damage = read(JSON_LINES, b'{"a": 1} {"a": 2}\n{"a":\n3}\n{"a": 4}\n')
    assert located(table) == {"a": [[4, 4.0]]}
    assert [d.position for d in damage] == [1, 2, 3]


def test_two_objects_on_one_line_are_left_out() -> None:
    message = """not JSON: Extra data at column 10 of '{"a": 2} {"a": 2}'"""
    assert only_damage(around(b'{"a": 2} {"a": 2}'), AROUND) == Damage(message, "log", 2)


def test_invalid_utf8_costs_only_the_bad_character() -> None:
    assert values(JSON_LINES, b'{"a": 1, "note": "\xff"}\n') == {"a": [1.0]}


def test_a_lone_surrogate_in_a_tag_becomes_printable() -> None:
    assert values(JSON_LINES, b'{"a\\ud800": 1}\n') == {"a?": [1.0]}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{}\n"])
def test_a_log_without_numbers_gives_nothing(content: bytes) -> None:
    assert read(JSON_LINES, content) == (None, [])


def test_stretches_join_to_the_whole_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "STRETCH", 2)
    lines = b"".join(b'{"step": %d, "loss": 0.5}\n' % k for k in range(100_000))
    table, damage = read(JSON_LINES, lines)
    assert table is not None
    assert not damage
    assert table.columns["step"].values.tolist() == list(range(100_000))
    assert table.positions.tolist() == list(range(1, 100_001))


@pytest.mark.parametrize(
    ("content", "low", "high"),
    [
        (b'{"a": 1}\n{"b": 2}\n', 80, 89),
        (b'{"a": 1}', 80, 89),
        (b'\xef\xbb\xbf{"a": 1}\n', 80, 89),
        ('{"a": 1}\n{"a": 2}\n'.encode("utf-16"), 80, 89),
        (b'{"a": 1}\nEpoch 2\n{"a": 2}\n', 60, 79),
        (b'{"a": 1, "b": ' + b" " * 70000, 20, 40),
        (b"", 0, 0),
        (b'{"log_history": [{"loss": 1}]}\n', 0, 0),
        (b'{"loss": [1, 2]}\n', 0, 0),
        (b'[{"a": 1}]\n', 0, 0),
        (b'{\n "a": 1\n}\n', 0, 0),
        (b"{'loss': 0.5, 'epoch': 1.0}\n", 0, 0),
        (b"step,loss\n1,2\n", 0, 0),
        (b"INFO loss: 0.5\n", 0, 0),
    ],
)
def test_sniff_goes_by_content(content: bytes, low: int, high: int) -> None:
    assert low <= JSON_LINES.sniff(content[: 1 << 16], "x.csv") <= high


def test_records_of_another_part_than_training_have_tags_of_their_own() -> None:
    content = b'{"mode": "train", "loss": 1}\n{"mode": "val", "loss": 2, "m": {"a": 3}}\n'
    assert values(JSON_LINES, content) == {"loss": [1.0], "val/loss": [2.0], "val/m.a": [3.0]}
