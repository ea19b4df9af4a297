"""Lines and their numbers, whatever the encoding, the line ends and the size of the pieces."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossaudit.model.table import Damage
from lossaudit.witnesses import lines
from lossaudit.witnesses.lines import (
    LONGEST_LINE,
    SegmentBlock,
    line_blocks,
    numbered_lines,
    segment_blocks,
    utf8_head,
)
from lossaudit.witnesses.stream import HEAD, LogStream

TEXT = st.text("ab\né\r𝄞", max_size=40)


@dataclass
class Pieces:
    """A stream that comes in the given pieces."""

    pieces: list[bytes]
    name: str = "log"
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.head = b"".join(self.pieces)[:HEAD]

    def blocks(self) -> Iterator[bytes]:
        return iter(self.pieces)


def read(content: bytes) -> list[tuple[int, bytes] | Damage]:
    return list(numbered_lines(LogStream("log", io.BytesIO(content))))


def test_lines_count_from_1_and_lose_their_ends() -> None:
    content = b"a\n\nb\r\nc\rd\n"
    assert read(content) == [(1, b"a"), (2, b""), (3, b"b"), (4, b"c\rd")]


def test_a_last_line_needs_no_end() -> None:
    assert read(b"a\nb") == [(1, b"a"), (2, b"b")]


def test_an_empty_file_has_no_lines() -> None:
    assert read(b"") == []


def test_invalid_utf8_passes_through() -> None:
    assert read(b"\xff\xe9\n") == [(1, b"\xff\xe9")]


@given(TEXT, st.sampled_from(["utf-8-sig", "utf-16-le", "utf-16-be"]))
def test_marked_encodings_are_recoded(text: str, encoding: str) -> None:
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    assert read((mark + text).encode(encoding)) == read(text.encode())


@given(st.lists(st.binary(max_size=8) | st.just(b"\n"), max_size=12))
def test_the_pieces_do_not_matter(pieces: list[bytes]) -> None:
    pieces = [b"x", *filter(None, pieces)]  # "x": no byte order mark and no compression
    whole = b"".join(pieces)
    assert list(numbered_lines(Pieces(pieces))) == read(whole)  # type: ignore[arg-type]


@given(st.lists(st.binary(max_size=8) | st.just(b"\n"), max_size=12))
def test_blocks_are_the_content_and_end_in_newlines(pieces: list[bytes]) -> None:
    whole = b"x" + b"".join(pieces)
    found = list(line_blocks(Pieces([b"x", *filter(None, pieces)])))  # type: ignore[arg-type]
    blocks = [item for item in found if not isinstance(item, Damage)]
    assert b"".join(block for _, block in blocks) == whole
    assert all(block.endswith(b"\n") for _, block in blocks[:-1])
    before = 1
    for line, block in blocks:
        assert line == before
        before += block.count(b"\n")


@given(st.lists(st.binary(max_size=8) | st.sampled_from([b"\n", b"\r"]), max_size=12))
def test_segment_blocks_are_the_content_and_end_in_either_end(pieces: list[bytes]) -> None:
    whole = b"x" + b"".join(pieces)
    found = list(segment_blocks(Pieces([b"x", *filter(None, pieces)])))  # type: ignore[arg-type]
    blocks = [item for item in found if not isinstance(item, Damage)]
    assert b"".join(block.text for block in blocks) == whole
    assert all(block.text.endswith((b"\n", b"\r")) for block in blocks[:-1])
    before = 1
    for block in blocks:
        assert block.counts_segments == (b"\n" not in whole)
        assert block.first == before
        before += block.text.count(b"\r" if block.counts_segments else b"\n")


def test_a_segment_over_the_limit_is_left_out_up_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    pieces = [b"a\r", b"x" * 11, b"x", b"x\rb\r", b"y" * 11, b"\nc\r"]
    message = "a line of more than 10 bytes"
    found = list(segment_blocks(Pieces(pieces)))  # type: ignore[arg-type]
    first, second = Damage(message, "log", 1), Damage(message, "log", 1)
    blocks = [SegmentBlock(1, False, text) for text in (b"a\r", b"b\r")]
    assert found == [blocks[0], first, blocks[1], second, SegmentBlock(2, False, b"c\r")]


def test_utf16_that_is_cut_inside_a_character_keeps_the_rest() -> None:
    assert read("a\nb".encode("utf-16")[:-1]) == [(1, b"a"), (2, "\ufffd".encode())]


@pytest.mark.parametrize("size", [1, 3, 10, 11, 12, 13, 50])
@pytest.mark.parametrize("length", [10, 11])
def test_a_line_over_the_limit_is_left_out_whatever_the_pieces(
    length: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    whole = b"a\n" + b"x" * length + b"\nb\n" + b"y" * length + b"\n\nc"
    pieces = [whole[i : i + size] for i in range(0, len(whole), size)]
    found = list(numbered_lines(Pieces(pieces)))  # type: ignore[arg-type]
    if length > 10 and size <= length:
        message = "a line of more than 10 bytes"
        expected = [(1, b"a"), Damage(message, "log", 2), (3, b"b"), Damage(message, "log", 4)]
        assert found == [*expected, (5, b""), (6, b"c")]
    if length == 10:
        assert found == [(1, b"a"), (2, b"x" * 10), (3, b"b"), (4, b"y" * 10), (5, b""), (6, b"c")]


def test_a_last_line_over_the_limit_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    found = list(numbered_lines(Pieces([b"a\n", b"x" * 11, b"x"])))  # type: ignore[arg-type]
    assert found == [(1, b"a"), Damage("a line of more than 10 bytes", "log", 2)]


def test_an_endless_line_takes_bounded_memory() -> None:
    class Endless(io.RawIOBase):
        left = 20 * LONGEST_LINE

        def read(self, size: int = -1) -> bytes:
            self.left -= size
            return b"x" * size if self.left > 0 else b""

    stream = LogStream("log", Endless())  # type: ignore[arg-type]
    tracemalloc.start()
    found = list(numbered_lines(stream))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [Damage("a line of more than 16,777,216 bytes", "log", 1)]
    assert peak < 4 * LONGEST_LINE


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_head_is_recoded_too(encoding: str) -> None:
    assert utf8_head("aé\n".encode(encoding)) == "aé\n".encode()


def test_a_head_that_is_cut_inside_a_character_loses_only_that() -> None:
    assert utf8_head("aé".encode("utf-16")[:-1]) == b"a"
