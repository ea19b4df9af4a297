"""The bulk paths of tables against the general paths, which are their oracles."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lossaudit.model.table import Damage, Table, concatenate
from lossaudit.witnesses import bulk, csv_block, json_block, stream
from lossaudit.witnesses.bulk import Block
from lossaudit.witnesses.columns import count_decimals
from lossaudit.witnesses.logs import csv_table
from lossaudit.witnesses.logs.csv_table import CSV_TABLE
from lossaudit.witnesses.logs.json_lines import JSON_LINES
from lossaudit.witnesses.number_cells import NumberRows
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

HEAD = 200

Plain = tuple[list[tuple[str, str, str, Any, str]], list[int], list[Damage]]


def plain(items: list[Table | Damage]) -> Plain:
    """Everything that a reader gave, comparable; NaN is NaN."""
    tables = [i for i in items if isinstance(i, Table)]
    damage = [i for i in items if isinstance(i, Damage)]
    if not tables:
        return [], [], damage
    table = concatenate(tables)
    columns = [
        (tag, repr((c.values + 0.0).tolist()), repr(c.records.tolist()), c.decimals, c.storage)
        for tag, c in table.columns.items()
    ]
    return columns, table.positions.tolist(), damage


def read_small(reader: Reader, content: bytes, block: int, *, least: int = 1) -> Plain:
    """Read in small blocks, so that a few lines go through the bulk path."""
    with ExitStack() as patches:
        for module, name, value in (
            (stream, "BLOCK", block),
            (stream, "HEAD", HEAD),
            (bulk, "HEAD", HEAD),
            (bulk, "LEAST", least),
        ):
            patches.enter_context(patch.object(module, name, value))
        log = LogStream("log", io.BytesIO(content))
        return plain(list(reader.read(log, ReadOptions())))


def general(rows: Any, block: Block[NumberRows]) -> Iterator[Table | Damage]:
    """What stands for `_Rows.read_plain`: the same block, row by row."""
    yield from rows.tables()
    yield from rows.read([block])
    yield from rows.tables()


NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.floats(-10, 10).map("{:.4f}".format)
    | st.floats(1e-9, 1e9).map("{:.3e}".format)
    | st.integers(-(10**20), 10**20).map(str)
    | st.sampled_from(["0", "-0.0", "1e-05", "+5", ".5", "5.", "1E5", "007", "5e-324", "1.e-3"])
)
BLANK = ("", " ", " 1.5", "1.5 ", "1.5\r", "\t2")
WORDS = ("nan", "-NaN", "inf", "1e400", "1_0", "-", "NA", '"1"', '"1', "1,5", "x", "1.2.3")
BROKEN = ("1e5e5", "1e+", "1e-0000005", "\u0661", "#", "\0", "0x1")
ODD = st.sampled_from(BLANK + WORDS + BROKEN)
LINES = st.sampled_from(
    ["", "  ", "\t\t", "# note", "step,a,b", "step,b,c", "1,2", "1,2,3,4", ',"', '"1\n",2,3', "\r"]
)


@st.composite
def csv_logs(draw: st.DrawFn, odd: float = 0.01) -> bytes:
    """A table of three columns, mostly plain numbers, with odd cells and lines."""
    delimiter = draw(st.sampled_from(",,,;\t|"))
    cells = draw(st.lists(NUMBERS, min_size=1, max_size=8))
    some = draw(st.lists(ODD, min_size=1, max_size=3))
    lines = draw(st.lists(LINES, max_size=2))
    chance = random.Random(draw(st.integers(0, 1 << 30)))
    share = draw(st.sampled_from([0, odd, 10 * odd]))

    def row() -> str:
        return delimiter.join(
            chance.choice(some if chance.random() < share else cells) for _ in range(3)
        )

    rows = ["step,a,b".replace(",", delimiter), *(row() for _ in range(draw(st.integers(0, 150))))]
    for line in lines:
        rows.insert(chance.randrange(len(rows)) + 1, line.replace(",", delimiter))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = end.join(rows) + draw(st.sampled_from([end, end, ""]))
    if delimiter in ";\t" and draw(st.booleans()):
        text = text.replace(".", ",")
    return text.encode()


@given(csv_logs(), st.sampled_from([100, 700, 4000]))
@example(b"step,a,b\n" + b"1,2,3\n" * 80 + b"1,2,0.5", 4000)
@example(b"step\ta\n" + b"1\t2\n\t\n" * 80, 4000)
def test_csv_in_bulk_is_what_it_is_row_by_row(content: bytes, block: int) -> None:
    in_bulk = read_small(CSV_TABLE, content, block)
    with patch.object(csv_table._Rows, "read_plain", general):
        row_by_row = read_small(CSV_TABLE, content, block)
    assert in_bulk == row_by_row


@given(csv_logs(odd=0), st.sampled_from([100, 700, 4000]))
def test_csv_in_bulk_is_what_it_is_in_small_logs(content: bytes, block: int) -> None:
    """Here blocks do not matter: every column holds nothing but numbers."""
    if content.endswith(b"\n"):
        small = read_small(CSV_TABLE, content, block, least=1 << 30)
        assert read_small(CSV_TABLE, content, block) == small


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=20, max_size=40))
def test_a_block_of_numbers_is_read_in_bulk_and_exactly(rows: list[tuple[str, str]]) -> None:
    text = "".join(f"{a},{b}\n" for a, b in rows).encode()
    found = csv_block.read_block(text, ",", 2)
    assert found is not None
    assert found.count == len(rows)
    for column, texts in zip(found.columns, zip(*rows, strict=True), strict=True):
        shown = [count_decimals(t) or 0 for t in texts]
        assert repr(column.values.tolist()) == repr([float(t) for t in texts])
        assert column.decimals == (min(shown), max(shown))


@pytest.mark.parametrize(
    "line",
    [
        "1,2,3",
        "1",
        "",
        "1,x",
        '1,"2"',
        "1,1_0",
        "1,1e400",
        "1\r,2",
        "1,0x2",
        "1,1e-00000001",
        "#1,2",
    ],
)
def test_a_block_with_anything_else_is_not(line: str) -> None:
    rows = ["1,2"] * 30
    rows.insert(7, line)
    assert csv_block.read_block("\n".join([*rows, ""]).encode(), ",", 2) is None


def test_a_long_log_with_damage_is_read_in_bulk_around_it() -> None:
    rows = [f"{i},{i / 7!r},{i / 8:.3f}" for i in range(180_000)]
    rows[100_000] = "100000,oops,1.000"
    content = "\n".join(["step,a,b", *rows, ""]).encode()
    blocks = []
    read_plain = csv_table._Rows.read_plain

    def counting(rows: Any, block: Block[NumberRows]) -> Iterator[Table | Damage]:
        blocks.append(block.line)
        return read_plain(rows, block)

    with patch.object(csv_table._Rows, "read_plain", counting):
        items = list(CSV_TABLE.read(LogStream("log", io.BytesIO(content)), ReadOptions()))
    columns, positions, damage = plain(items)
    assert len(blocks) >= 2
    assert [d.position for d in damage] == [100_002]
    assert positions == list(range(2, 180_002))
    assert {tag: decimals for tag, _, _, decimals, _ in columns} == {
        "step": (0, 0),
        "a": (1, max(len(repr(i / 7)) - repr(i / 7).index(".") - 1 for i in range(180_000))),
        "b": (3, 3),
    }


JSON_NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers(-(10**20), 10**20).map(str)
    | st.sampled_from(["0", "-0.0", "1E5", "1e-05", "5e-324", "0.10", "1e+2", "9007199254740993"])
)
NOT_PLAIN = st.sampled_from(
    [
        "NaN",
        "-Infinity",
        "null",
        "true",
        '"0.5"',
        '"x"',
        '"a\\"b"',
        "[1, 2]",
        '{"c": 1}',
        "{}",
        "+1",
        ".5",
        "5.",
        "05",
        "-",
        "1_0",
        "nan",
        "5.e3",
        "1e5.2",
        "-.5",
        "- 1",
        "1 ",
        " 1",
        "",
        "1e400",
        "1" + "0" * 400,
        "1" * 5000,
        "1, 2",
        '1, "a": 2',
        '1, "z": 2',
        "1}",
        "١",
    ]
)
BEFORE = st.sampled_from(
    [
        "",
        '"mode": "train", ',
        '"mode": "val", ',
        '"ok": true, ',
        '"x": {"y": 1, "z": [2]}, ',
        '"n,}": 3, ',
        '"café": 3, ',
        '"\\u00e9\\"": 3, ',
        '"s": "0.5", ',
        '"a": 7, ',
    ]
)
JSON_LINES_BETWEEN = st.sampled_from(
    [
        b"",
        b"  ",
        b"{}",
        b"[1]",
        b'{"a": 1',
        b'{"b": 1, "a": 2}',
        b'{"a": 1}',
        b"\xff",
        b"{\r}",
        b'{"a": 1, "b": 2}}',
        b'{"a":1,"b":2}',
        b'{"a": 1, "b": 2, "\xff": 3}',
        b'{"b": 1, "b": 2}',
    ]
)


@st.composite
def json_logs(draw: st.DrawFn) -> bytes:
    """Lines of one template, with odd values and lines between."""
    before, separator = draw(BEFORE), draw(st.sampled_from([", ", ","]))
    after = draw(st.sampled_from(["}", "}", "}\r", ', "t": "x"}', ', "in": {"c": 5}}', " }"]))
    numbers = draw(st.lists(JSON_NUMBERS, min_size=1, max_size=8))
    odd = draw(st.lists(NOT_PLAIN, min_size=1, max_size=3))
    lines = draw(st.lists(JSON_LINES_BETWEEN, max_size=2))
    chance = random.Random(draw(st.integers(0, 1 << 30)))
    share = draw(st.sampled_from([0, 0, 0.01, 0.1]))

    def value() -> str:
        return chance.choice(odd if chance.random() < share else numbers)

    rows = [
        f'{{{before}"a": {value()}{separator}"b": {value()}{after}'.encode()
        for _ in range(draw(st.integers(1, 150)))
    ]
    for line in lines:
        rows.insert(chance.randrange(len(rows)) + 1, line)
    return b"\n".join(rows) + draw(st.sampled_from([b"\n", b"\n", b""]))


@settings(max_examples=300)
@given(json_logs(), st.sampled_from([100, 2000, 8000]))
def test_json_lines_in_bulk_are_what_they_are_one_by_one(content: bytes, block: int) -> None:
    one_by_one = read_small(JSON_LINES, content, block, least=1 << 30)
    assert read_small(JSON_LINES, content, block) == one_by_one


@given(st.lists(st.tuples(JSON_NUMBERS, JSON_NUMBERS), min_size=20, max_size=40))
def test_a_block_of_json_lines_is_read_in_bulk_and_exactly(rows: list[tuple[str, str]]) -> None:
    text = "".join(f'{{"mode": "val", "x": {{"a": {a}}}, "b": {b}}}\n' for a, b in rows).encode()
    found = json_block.read_block(text)
    assert found is not None
    assert found.count == len(rows)
    assert list(found.columns) == ["val/b", "val/x.a"]
    for tag, texts in zip(["val/x.a", "val/b"], zip(*rows, strict=True), strict=True):
        assert found.columns[tag].tolist() == [float(t) for t in texts]


OTHER_VALUES = (
    *("+1", ".5", "5.", "05", "-05", "5.e3", "-.5", "nan"),
    *("", "-", "null", '"2"', "1e400", "2, 3", "2} ", '2, "c": 3'),
)
OTHER_LINES = ('{"b": 1, "a": 2}', '{"a": 1, "c": 2}', '{"a": 1}', "", "{}")


@pytest.mark.parametrize("line", [*(f'{{"a": 1, "b": {v}}}' for v in OTHER_VALUES), *OTHER_LINES])
def test_a_block_of_other_json_lines_is_not(line: str) -> None:
    rows = ['{"a": 1, "b": 2}'] * 30
    assert json_block.read_block("\n".join([*rows, ""]).encode()) is not None
    for place in (0, 7, 30):
        changed = [*rows[:place], line, *rows[place:], ""]
        assert json_block.read_block("\n".join(changed).encode()) is None


@pytest.mark.parametrize(
    "line",
    ['{"a": 1, "s": "0.5"}', '{"a": 1, "s": [2, 3]}', '{"a": 1, "a": 2}', '{"a": 1, "s": NaN}'],
)
def test_a_line_whose_numbers_have_no_place_of_their_own_is_no_template(line: str) -> None:
    assert json_block.read_block((line + "\n").encode() * 30) is None
