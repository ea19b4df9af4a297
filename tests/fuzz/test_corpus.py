"""Everything that the fuzzer has found once holds, and content made of pieces of it does too."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Pieces, examine, is_sound, read, with_right_checksums

from lossaudit.model.table import Table
from lossaudit.witnesses.log import readers
from lossaudit.witnesses.reader import ReadOptions

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(file for file in CORPUS.glob("*/*") if file.is_file())
SLOW = {"parquet": 5}
"""Examples of readers that take long for each; the others have hypothesis's usual number."""

PIECES = {
    "tensorboard": [b"\0" * 8, b"\x09", b"\x10\x01", b"\xff" * 9 + b"\x01", b"brain.Event:2"],
    "json-lines": [b'{"a": 1}', b'{"step": 1, "a": NaN}\n', b'{"a": {"b": 1e400}}\n', b"[", b"\\u"],
    "json": [b'{"a": [1, 2]}', b'[{"a": 1}, {"b": 2}]', b'{"a": [{"b": 1}]', b"]}", b"9" * 400],
    "csv": [b"step,loss\n", b"1,0.5\n", b"1;0,5\n", b'"a\nb",1\n', b"# a b\n", b"\t", b",,\n"],
    "parquet": [b"PAR1", b"\x15\0", b"\0\0\0\0"],
    "text": [b"loss: 0.5, ", b"lr=1e-3 ", b"\r", b"{'a': 1.0}\n", b"\x1b[1m", b"12:30:45 ", b"nan"],
    "boxed-table": [b"-----\n", b"| a | 1 |\n", b"|    b | 1e-3 |\n", b"| c/ | |\n", b"\n"],
}
ANYWHERE = [
    b"\n",
    b"\r\n",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xff",
    b"-",
    b"1",
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_corpus_holds(file: Path) -> None:
    examine(file.parent.name, file.read_bytes())


def test_every_reader_has_a_corpus_of_few_and_small_files() -> None:
    assert {file.parent.name for file in FILES} == set(readers()) == set(PIECES)
    for name in readers():
        sizes = [file.stat().st_size for file in FILES if file.parent.name == name]
        assert len(sizes) <= 60
        assert max(sizes) <= 16384


def mutations(name: str) -> st.SearchStrategy[bytes]:
    """Corpus files cut up, joined with each other, with telling pieces and with noise."""
    files = [file.read_bytes() for file in FILES if file.parent.name == name]

    def part(content: bytes) -> st.SearchStrategy[bytes]:
        ends = st.tuples(st.integers(0, len(content)), st.integers(0, len(content)))
        return ends.map(lambda e: content[min(e) : max(e)])

    telling = st.sampled_from(PIECES[name] + ANYWHERE)
    parts = st.sampled_from(files).flatmap(part)
    pieces = st.lists(parts | telling | telling | st.binary(max_size=20), max_size=12)
    return pieces.map(b"".join)


@pytest.mark.parametrize("name", sorted(PIECES))
def test_any_content_is_read_soundly_and_in_blocks_of_any_size_alike(name: str) -> None:
    @settings(max_examples=SLOW.get(name, settings.default.max_examples))
    @given(mutations(name))
    def holds(content: bytes) -> None:
        examine(name, content)

    holds()


def test_the_oracle_can_fail() -> None:
    reader = readers()["csv"]
    (table,) = reader.read(Pieces(b"a,b\n1,2\n3,4\n", 100), ReadOptions())  # type: ignore[arg-type]
    assert isinstance(table, Table)
    is_sound(table)
    table.columns["a"].records[1] = 0
    with pytest.raises(AssertionError, match="records do not rise"):
        is_sound(table)


def test_event_files_with_repaired_checksums_have_none_that_is_wrong() -> None:
    content = bytearray((CORPUS / "tensorboard/seed-torch").read_bytes())
    content[100] ^= 1
    for stored, wrong in ((bytes(content), True), (with_right_checksums(bytes(content)), False)):
        _, damage, _ = read(readers()["tensorboard"], stored, len(stored))
        assert any("CRC" in d.message for d in damage) == wrong
