"""What the tests of readers share: read bytes, and compare with a fixture's `truth.json`."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from lossaudit.model.table import Damage, Table, concatenate
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "fixtures/logs"
REAL_LOGS = Path(os.environ.get("LOSSAUDIT_REAL_LOGS", ROOT / "../shared/real-logs"))


def read(
    reader: Reader, content: bytes, columns: tuple[str, ...] = ()
) -> tuple[Table | None, list[Damage]]:
    """All tables joined, or None, and all damage."""
    items = list(reader.read(LogStream("log", io.BytesIO(content)), ReadOptions(columns)))
    tables = [item for item in items if isinstance(item, Table)]
    return (concatenate(tables) if tables else None), [i for i in items if isinstance(i, Damage)]


def values(reader: Reader, content: bytes, columns: tuple[str, ...] = ()) -> dict[str, list[float]]:
    """{tag: values} of a log without damage."""
    table, damage = read(reader, content, columns)
    assert damage == []
    return {} if table is None else {tag: c.values.tolist() for tag, c in table.columns.items()}


def located(table: Table | None) -> dict[str, list[list[float]]]:
    """{tag: [[position, value], ...]}, as `truth.json` has it."""
    assert table is not None
    return {
        tag: [
            [p, v]
            for p, v in zip(table.positions[c.records].tolist(), c.values.tolist(), strict=True)
        ]
        for tag, c in table.columns.items()
    }


def check_fixture(reader: Reader, case: Path) -> None:
    """The reader claims the file, reads it without damage, and finds exactly its truth."""
    (log,) = (f for f in case.iterdir() if f.name != "truth.json")
    content = log.read_bytes()
    table, damage = read(reader, content)
    truth = json.loads((case / "truth.json").read_text())
    assert damage == []
    assert repr(sorted(located(table).items())) == repr(sorted(truth.items()))  # repr: NaN is NaN
    assert reader.sniff(content, "") >= 60


def real_log(name: str) -> bytes:
    """A real log's content, or a skip where there is none."""
    if not REAL_LOGS.is_dir():
        pytest.skip(f"no real logs at {REAL_LOGS}")
    return (REAL_LOGS / name).read_bytes()


def read_real(reader: Reader, name: str) -> Table:
    """A real log that must be claimed and have no damage."""
    content = real_log(name)
    assert reader.sniff(content[: 1 << 16], name) >= 60
    table, damage = read(reader, content)
    assert damage == []
    assert table is not None
    return table
