"""The bulk path against the general one, line by line: its oracle."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from lossaudit.model.table import Damage, Table, concatenate
from lossaudit.witnesses.columns import TableBuilder
from lossaudit.witnesses.logs.text_lines import TEXT
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.stream import BLOCK, LogStream
from lossaudit.witnesses.text import bulk, by_layout, by_shape, tags
from lossaudit.witnesses.text.segments import COMMON
from lossaudit.witnesses.text.shapes import fold
from lossaudit.witnesses.text.tags import TagBook, read_line

ROOT = Path(__file__).parents[3]
CASES = sorted((ROOT / "fixtures/logs/text_lines").glob("*/log.txt"))
REAL_LOGS = Path(os.environ.get("LOSSAUDIT_REAL_LOGS", ROOT / "../shared/real-logs"))

Content = tuple[list[tuple[str, list[str], list[int], object]], list[int], list[Damage]]


def content_of(table: Table | None, damage: list[Damage]) -> Content:
    """Everything that a reader says, in order; numbers as their exact texts."""
    if table is None:
        return [], [], damage
    columns = [
        (tag, [repr(v) for v in c.values.tolist()], c.records.tolist(), c.decimals)
        for tag, c in table.columns.items()
    ]
    return columns, table.positions.tolist(), damage


def general(text: bytes) -> Content:
    """What the general path alone reads."""
    book, builder = TagBook("run.log"), TableBuilder()
    ends = rb"\n" if b"\n" in text else rb"\r"
    for number, line in enumerate(re.split(ends, text), 1):
        for segment in line.split(b"\r"):
            found = read_line(segment, book, number)
            if found:
                builder.begin(number)
            for tag, value, decimals in found:
                builder.add(book.names[tag], value, decimals)
    return content_of(builder.build("run.log") if len(builder) else None, book.damage())


class Pieces(Struct, dict=True):
    """A stream that comes in pieces of some size."""

    text: bytes
    size: int
    name: str = "run.log"

    @property
    def head(self) -> bytes:
        return self.text

    def blocks(self) -> Iterator[bytes]:
        return (self.text[i : i + self.size] for i in range(0, len(self.text), self.size))


def in_bulk(text: bytes, piece: int = BLOCK) -> Content:
    """What the reader reads of a text that ends in a line end."""
    items = list(TEXT.read(Pieces(text, piece), ReadOptions()))  # type: ignore[arg-type]
    tables = [item for item in items if isinstance(item, Table)]
    damage = [item for item in items if isinstance(item, Damage)]
    return content_of(concatenate(tables) if tables else None, damage)


def assert_paths_agree(text: bytes, piece: int = BLOCK) -> None:
    assert in_bulk(text, piece) == general(text)


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.parent.name)
@pytest.mark.parametrize("times", [1, 5])
def test_paths_agree_on_fixtures(path: Path, times: int) -> None:
    assert_paths_agree((path.read_bytes().removesuffix(b"\n") + b"\n") * times)


SCARS = (b"", b"\n", b"\r", b"nan", b"-", b",", b"1e999", b" ", b"\xff", b"9" * 30, b"loss: 1")


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.parent.name)
@pytest.mark.parametrize("seed", range(4))
def test_paths_agree_on_damaged_fixtures(path: Path, seed: int) -> None:
    text, random = bytearray(path.read_bytes() * 20), np.random.default_rng(seed)
    for at in random.integers(len(text), size=200).tolist():
        text[at : at + random.integers(9)] = SCARS[random.integers(len(SCARS))]
    assert_paths_agree(bytes(text) + b"\n", 10_000)


@pytest.mark.parametrize("path", ["yolox-plate", "fastspeech2-prune", "gailppo"])
def test_paths_agree_on_real_logs(path: str) -> None:
    if not REAL_LOGS.is_dir():
        pytest.skip(f"no real logs at {REAL_LOGS}")
    (file,) = (REAL_LOGS / path).glob("*.txt")
    assert_paths_agree(file.read_bytes())


# Texts of a few layouts ---------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(b"loss", b"Mel Loss", b"l1", b"l2_d0.x", b"Step ", b"Epoch [", b"tensor(", b"a.py:"),
        *(b": ", b":", b"=", b" = ", b", ", b"  ", b" ", b"   ", b" - ", b"|", b"[", b"]", b"("),
        *(b")", b"{'", b"': ", b"'", b'"', b"\t", b"\r", b"\0", b"-", b".", b"\xff", b"##", b"#"),
        *(b"0", b"7", b"12", b"0.5", b"-0.25", b"-3", b"+1.", b".5", b"1e-05", b"-1.5E+20"),
        *(b"nan", b"-inf", b"123456789.12345678901", b"0.000000001234", b"1e400", b"12,345"),
        *(b"1e-9999999999", b"%", b"%|", b"s", b"Mb", b"it/s", b" day", b"/40", b"1:54:27"),
        *(b"loss 0.5", b" kl 0.1", b"val ", b"took ", b"d_l1 2.5", b" | ", b"Nov 2", b"5ms"),
        *(
            b" / 40",
            b"248.9m",
            b" x 10^-3",
            b" * 2",
            b"\xc2\xb1",
            b" 0.7",
            b"[val] ",
            b"split: val",
        ),
        *("█".encode(), "██▏".encode(), b"\xe2\x96", b"\xe2", b"2021-09-03 19:05:28,330"),
    ]
)
TEMPLATES = st.lists(PIECES, max_size=14).map(b"".join)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\r"])


def varied(template: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Lines of about one layout: other digits, at times fewer, other spaces and signs."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        line = re.sub(rb"\d", lambda _: b"%d" % random.integers(10), template)
        if random.integers(4) == 0:
            line = re.sub(rb"\d+", lambda m: m[0][: random.integers(1, 20)], line)
        if random.integers(4) == 0:
            line = line.replace(b"   ", b" " * int(random.integers(3, 9)))
        if random.integers(4) == 0:
            line = re.sub(rb"(?<=[ =:(\[,'])-?(?=\d)", b"-", line)
        yield line


@st.composite
def texts(draw: st.DrawFn, common: int = 3 * COMMON) -> bytes:
    """Lines of a few templates, in runs or mixed, with any line ends, all of them complete."""
    templates, seed = draw(st.lists(TEMPLATES, max_size=4)), draw(st.integers(0, 1000))
    lines = [line for t in templates for line in varied(t, seed, common)]
    if draw(st.booleans()):
        order = np.random.default_rng(seed).permutation(len(lines))
        lines = [lines[i] for i in order]
    ends = draw(st.lists(ENDS, min_size=1, max_size=3))
    return b"".join(line + ends[i % len(ends)] for i, line in enumerate(lines)) + ends[0]


@given(texts(), st.sampled_from([20, 50, 1000, BLOCK]))
@example(b"l1: 5, -3 a7b(-2): 0.5\n" * 20, BLOCK)
@example(b"a   b   2: 1.5e-05 (3)\n" * 20, BLOCK)
@example(b", a.py:7\n" * 20, BLOCK)
@example(b"Step 07,-7\n" + b"Step 86,5\n" * 20, 20)
@example(b"a: 1'-7\n" + b"a: 1'5\n" * 20, 20)
@example(b"a: 1, b: 2\n" * 9 + b"b: 1, a: 2\n" * 9, BLOCK)
@example(b"epoch 8 |  -8/1 [\n" * 9, 20)
@example(b"step 8 loss 0.5 l1 2 l2 3\n" * 9, 20)
@example(b"loss: 8 / -1\n" + b"loss: 8 / 1\n" * 9, 20)
@example(b"x\n" * 9 + b"c: 1\n" + b"a: nan, b: 1\n" * 9, BLOCK)
@settings(max_examples=300)
def test_paths_agree_whatever_the_pieces(text: bytes, piece: int) -> None:
    assert_paths_agree(text, piece)


@given(texts())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_paths_drop_the_same_tags_with_the_same_damage(
    monkeypatch: pytest.MonkeyPatch, text: bytes
) -> None:
    monkeypatch.setattr(tags, "MOST_TAGS", 2)
    monkeypatch.setattr(tags, "LONGEST_TAG", 3)
    assert_paths_agree(text)


@given(texts(), st.integers(1, 5))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_paths_agree_when_layouts_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, text: bytes, most: int
) -> None:
    monkeypatch.setattr(by_layout, "_MOST_LAYOUTS", most)
    monkeypatch.setattr(by_shape, "_MOST_SHAPES", most)
    assert_paths_agree(text, 100)


@given(st.binary(max_size=400), st.binary(max_size=30))
@settings(max_examples=300)
def test_arbitrary_bytes_never_raise(text: bytes, repeated: bytes) -> None:
    list(TEXT.read(LogStream("run.log", io.BytesIO(text + (repeated + b"1") * 20)), ReadOptions()))
    TEXT.sniff(text, "x")
    if not text.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"\x28\xb5")):
        plain = b"\n".join([text, *[repeated] * 10, b""])
        assert_paths_agree(re.sub(rb"\x1b", b"?", plain))


# Which way lines take -----------------------------------------------------------------------------


@pytest.fixture
def folded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The lines that are read by shape."""
    seen: list[bytes] = []

    def record(lines: list[bytes]) -> object:
        seen.extend(lines)
        return fold(lines)

    monkeypatch.setattr(by_shape, "fold", record)
    return seen


@pytest.fixture
def _no_general_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the general path was used")

    monkeypatch.setattr(bulk, "read_line", refuse)


@pytest.mark.usefixtures("_no_general_path")
def test_one_line_of_a_layout_is_read_by_shape(folded: list[bytes]) -> None:
    lines = [b"l1: %d.5 (3)" % k for k in range(10, 60)]
    columns, positions, _ = in_bulk(b"\n".join(lines) + b"\n")
    assert folded == lines[:1]
    assert [tag for tag, *_ in columns] == ["l1", "l1 (mean)"]
    assert columns[0][1] == [f"{k}.5" for k in range(10, 60)]
    assert positions == list(range(1, 51))


@pytest.mark.usefixtures("_no_general_path")
def test_many_layouts_of_one_shape_are_read_by_shape(folded: list[bytes]) -> None:
    lines = [b"a: %d, b: %d" % (10**k, 10**n) for k in range(9) for n in range(9)]
    assert len(in_bulk(b"\n".join(lines) + b"\n")[1]) == len(folded) == 81


def test_a_layout_of_which_there_are_few_at_a_time_is_learnt_in_the_end(
    folded: list[bytes],
) -> None:
    in_bulk(b"a: 1, b: 2\n" * 50, 11)
    assert len(folded) == COMMON


def test_digits_inside_names_are_told_apart() -> None:
    assert_paths_agree(b"".join(b"l%d: %d, x: 1\n" % (k % 3, k) for k in range(60)))
    assert_paths_agree(b"l1: 1\n" + b"l12: 2\n" * 20)


def test_words_twice_in_a_line_count_once() -> None:
    assert_paths_agree(b"a: nan, a: inf, b: 1, b: nan\n" * 20)


def test_bars_of_any_length_share_few_shapes() -> None:
    bars = (f"a: {k}%|{'█' * k}{'▏' * (k % 2)}{' ' * (9 - k)}| x" for k in range(10))
    hashes = (f"a: {k}%|{'#' * k}{' ' * (9 - k)}| x" for k in range(10))
    assert len({*fold([line.encode() for line in (*bars, *hashes)]).shapes}) <= 7
