"""A line is in the file as a whole or not at all, and what a kill left is mended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from recorded import columns_of

from lossaudit.recorder import Recorder
from lossaudit.recorder.lines import PAGE, append_line

WHOLE = b'{"step": 1, "total": 1.5}\n{"step": 2, "total": 2.5}\n'


@pytest.mark.parametrize(
    ("torn", "steps"),
    [
        (b"", [1, 2, 3]),
        (b'{"step": 9, "total": 4', [1, 2, 3]),
        (b'{"step"', [1, 2, 3]),
        (b"{", [1, 2, 3]),
        (b"     ", [1, 2, 3]),
        (b"   {", [1, 2, 3]),
        (b'{"step": 9, "total": 4.5}', [1, 2, 9, 3]),
    ],
)
def test_what_a_kill_left_is_mended_by_the_next_record(
    tmp_path: Path, torn: bytes, steps: list[int]
) -> None:
    path = tmp_path / "record" / "terms.jsonl"
    path.parent.mkdir()
    path.write_bytes(WHOLE + torn)
    Recorder(tmp_path, every=1).record(3, 3.5, {})
    assert columns_of(path)["step"] == steps
    assert path.read_bytes().startswith(WHOLE)


def test_a_torn_first_line_goes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"step": 1, "tot')
    append_line(path, b'{"step": 2}')
    assert path.read_bytes() == b'{"step": 2}\n'


@pytest.mark.parametrize("foreign", [b"not ours", b'{"epoch": 1', b"\0\0\0\0", b"x" * (2 << 20)])
def test_what_is_not_ours_is_never_removed(tmp_path: Path, foreign: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(WHOLE + foreign)
    append_line(path, b'{"step": 3}')
    lines = path.read_bytes().splitlines()
    assert lines[2].rstrip(b" ") == foreign
    assert lines[3] == b'{"step": 3}'


def test_no_line_crosses_a_page_unless_it_is_longer(tmp_path: Path) -> None:
    path, expected = tmp_path / "log", []
    for step in range(300):
        line = b'{"step": %d, "total": 1%s}' % (step, b"0" * (step * 37 % 1500))
        expected.append(line)
        append_line(path, line)
    stored = path.read_bytes()
    end = 0
    for line in stored.splitlines(keepends=True):
        start, end = end + len(line) - len(line.lstrip()), end + len(line)
        assert start // PAGE == (end - 1) // PAGE
    assert [line.strip() for line in stored.splitlines()] == expected
    assert b"\n " in stored
    append_line(path, b'{"step": 300, "x": "%s"}' % (b"y" * 3 * PAGE))
    append_line(path, b'{"step": 301}')
    assert len(path.read_bytes().splitlines()) == 302


def test_padded_log_reads_as_any_other(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, every=1)
    for step in range(1, 400):
        recorder.record(step, step / 3, {"loss_lip": step / 7})
    found = columns_of(tmp_path / "record" / "terms.jsonl")
    assert found["step"] == list(range(1, 400))
    assert found["total"] == [step / 3 for step in range(1, 400)]


def test_two_processes_in_one_file_are_told_and_neither_waits(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "record" / "terms.jsonl"
    recorder = Recorder(tmp_path, every=1)
    recorder.record(1, 1.0, {})
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        recorder.record(2, 1.0, {})
    recorder.record(3, 1.0, {})
    assert columns_of(path)["step"] == [1, 3]
    (lost,) = recorder.lost
    assert lost == "record of step 2 ([Errno 11] another process is recording here)"


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
        append_line(path, b"{}")
