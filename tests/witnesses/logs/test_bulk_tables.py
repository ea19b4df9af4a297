"""The bulk paths of tables against the general paths, which are their oracles."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lossaudit.model.table import Damage, Table, concatenate
from lossaudit.witnesses import bulk, csv_block, stream
from lossaudit.witnesses.bulk import Block
from lossaudit.witnesses.columns import count_decimals
from lossaudit.witnesses.logs import csv_table
from lossaudit.witnesses.logs.csv_table import CSV_TABLE
from lossaudit.witnesses.number_cells import NumberRows
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

HEAD = 200

Plain = tuple[list[tuple[str, str, str, Any, str]], list[int], list[Damage]]


def plain(items: list[Table | Damage]) -> Plain:
    """Everything that a reader gave, comparable; NaN is NaN and -0.0 is not 0.0."""
    tables = [i for i in items if isinstance(i, Table)]
    damage = [i for i in items if isinstance(i, Damage)]
    if not tables:
        return [], [], damage
    table = concatenate(tables)
    columns = [
        (tag, repr(c.values.tolist()), repr(c.records.tolist()), c.decimals, c.storage)
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
    rows = [f"{i},{i / 7!r},{i / 8:.3f}" for i in range(90_000)]
    rows[50_000] = "50000,oops,1.000"
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
    assert [d.position for d in damage] == [50_002]
    assert positions == list(range(2, 90_002))
    assert {tag: decimals for tag, _, _, decimals, _ in columns} == {
        "step": (0, 0),
        "a": (1, max(len(repr(i / 7)) - repr(i / 7).index(".") - 1 for i in range(90_000))),
        "b": (3, 3),
    }
