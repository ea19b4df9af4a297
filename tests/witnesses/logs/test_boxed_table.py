"""The boxed-table reader: a real baselines log, Stable-Baselines3's own writer, and damage."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossaudit.model.table import Damage, Table, concatenate
from lossaudit.witnesses.logs.boxed_table import BOXED_TABLE
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.stream import LogStream

ROOT = Path(__file__).parents[3]
SB3 = ROOT / "fixtures/logs/boxed_table/stable-baselines3"
REAL_LOGS = Path(os.environ.get("LOSSAUDIT_REAL_LOGS", ROOT / "../shared/real-logs"))
EDGE = b"---------------\n"


def read(content: bytes) -> tuple[Table | None, list[Damage]]:
    items = list(BOXED_TABLE.read(LogStream("log", io.BytesIO(content)), ReadOptions()))
    tables = [item for item in items if isinstance(item, Table)]
    damage = [item for item in items if isinstance(item, Damage)]
    return (concatenate(tables) if tables else None), damage


def values(content: bytes) -> dict[str, list[float]]:
    table, damage = read(content)
    assert table is not None
    assert not damage
    return {tag: c.values.tolist() for tag, c in table.columns.items()}


def real_file(name: str) -> bytes:
    if not REAL_LOGS.is_dir():
        pytest.skip(f"no real logs at {REAL_LOGS}")
    return (REAL_LOGS / "gailppo" / name).read_bytes()


def test_gailppo_equals_its_progress_csv_up_to_print_rounding() -> None:
    table, damage = read(real_file("log.txt"))
    rows = list(csv.DictReader(io.StringIO(real_file("progress.csv").decode())))
    assert table is not None
    assert not damage
    assert table.records == len(rows) == 100
    assert set(table.columns) == set(rows[0])
    for tag, column in table.columns.items():
        exact = [float(row[tag]) for row in rows]
        assert column.values.tolist() == pytest.approx(exact, rel=5e-3)
        assert column.records.tolist() == list(range(100))
    assert table.positions[:2].tolist() == [3, 21]


def test_stable_baselines_sections_become_prefixes() -> None:
    truth = json.loads((SB3 / "truth.json").read_text())
    assert values((SB3 / "log.txt").read_bytes()) == truth


def test_position_is_the_first_row_of_each_box() -> None:
    table, _ = read((SB3 / "log.txt").read_bytes())
    assert table is not None
    assert table.positions.tolist() == [2, 14, 26]


def test_right_aligned_names_have_no_section() -> None:
    content = EDGE + b"|       Epoch |   0 |\n|    AvgEpRet |  -2 |\n" + EDGE
    assert values(content) == {"Epoch": [0.0], "AvgEpRet": [-2.0]}


def test_section_ends_at_a_name_that_is_not_indented() -> None:
    content = EDGE + b"| a/      |   |\n|    x    | 1 |\n| y       | 2 |\n|    z    | 3 |\n" + EDGE
    assert values(content) == {"a/x": [1.0], "y": [2.0], "z": [3.0]}


def test_decimals_nan_and_repeated_names() -> None:
    content = EDGE + b"| a | 1.50 |\n| a | 7 |\n| b | nan |\n| c | 1e-3 |\n| d | cpu |\n" + EDGE
    table, _ = read(content)
    assert table is not None
    assert {t: c.decimals for t, c in table.columns.items()} == {
        "a": (2, 2),
        "b": None,
        "c": (3, 3),
    }
    assert table.columns["a"].values.tolist() == [1.5]


def test_unclosed_last_box_is_kept_and_said() -> None:
    table, damage = read(EDGE + b"| a | 1 |\n" + EDGE + EDGE + b"| a | 2 |\n| b | 3")
    assert table is not None
    assert table.columns["a"].values.tolist() == [1.0, 2.0]
    assert "b" not in table.columns
    message = "the last box has no lower border, so rows may be missing"
    assert damage == [Damage(message, "log", 5, partial_tail=True)]


def test_box_broken_off_by_a_restart_is_a_record() -> None:
    content = EDGE + b"| a | 1 |\nLogging to /tmp\n" + EDGE + b"| a | 2 |\n" + EDGE
    assert values(content) == {"a": [1.0, 2.0]}


@given(st.lists(st.sampled_from([EDGE, b"|", b" a ", b"1", b"\n", b"/", b"   ", b"\xff", b"\0"])))
@settings(max_examples=300, deadline=None)
def test_arbitrary_content_never_raises(pieces: list[bytes]) -> None:
    read(b"".join(pieces))
    BOXED_TABLE.sniff(b"".join(pieces), "x")


def test_boxes_are_recognised() -> None:
    assert BOXED_TABLE.sniff((SB3 / "log.txt").read_bytes(), "x") == 85
    assert BOXED_TABLE.sniff(b"Logging to logs\n" + EDGE + b"| a b | -0.5 |\n", "x") == 85


def test_real_box_is_recognised() -> None:
    assert BOXED_TABLE.sniff(real_file("log.txt")[: 1 << 16], "x") == 85


@pytest.mark.parametrize(
    "head",
    [
        *(b"", EDGE, b"loss: 1\n", b"| a | 1 |\n", EDGE + b"| a | b |\n", b"step,loss\n1,2\n"),
        *(b"| a | b |\n|-----|-----|\n| c | 1 |\n", EDGE + b"| a | 1 |\n\0"),
    ],
)
def test_other_content_is_no_box(head: bytes) -> None:
    assert BOXED_TABLE.sniff(head, "x") == 0
