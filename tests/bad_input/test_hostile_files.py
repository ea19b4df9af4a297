"""Numbers 28 and 30 to 34: files that grow, change, are none, or are far too large."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostile import (
    FORMULA,
    RIVAL,
    WRITERS,
    audit,
    event_file,
    found,
    json_lines,
    lossaudit,
    places,
    rows,
)

from lossaudit.audit import AuditOptions
from lossaudit.balancing import balance_logs
from lossaudit.closure.identify.columns import Question
from lossaudit.errors import InputError
from lossaudit.identifying import identify_logs
from lossaudit.model.finding import Severity
from lossaudit.spec.load import spec_from_formula

# 31, 32: the file changes under us ----------------------------------------------------------------

WRITER = """
import sys
log = open(sys.argv[1], "ab", buffering=0)
for line in sys.stdin:
    log.write(bytes.fromhex(line))
    print(flush=True)
"""


@contextmanager
def writer(log: Path) -> Iterator[Callable[[bytes], None]]:
    """A process that appends what it is told."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def append(content: bytes) -> None:
            process.stdin.write(content.hex() + "\n")
            process.stdin.flush()
            process.stdout.readline()

        yield append
        process.stdin.close()


def once(action: Callable[..., None], *args: object) -> Callable[[int], None]:
    """What `progress` calls: something that happens when the first records have been read."""
    waiting = iter([args])
    return lambda _: next((action(*a) for a in waiting), None)


GROWING = [name for name in WRITERS if name != "log.json"]


@pytest.mark.bad_input(31)
@pytest.mark.parametrize("name", GROWING)
def test_a_partial_last_record_of_a_growing_file_is_pending(tmp_path: Path, name: str) -> None:
    log, content = tmp_path / name, WRITERS[name](rows(101))
    log.write_bytes(content[:-10])
    with writer(log) as append:
        result = audit(log, progress=once(append, content[-10:]))
    assert (result.verdict.value, result.exit_code) == ("PASS", 0)
    assert result.witnesses[0].decided == 100
    assert not found(result, "damaged-input")
    grew, pending = found(result, "changed-input")
    assert {grew.severity, pending.severity} == {Severity.NOTE}
    assert f"grew from {len(content) - 10:,} to {len(content):,} bytes" in grew.message
    assert "still being written" in pending.message
    assert pending.location is not None


@pytest.mark.bad_input(31)
@pytest.mark.parametrize("name", GROWING)
def test_the_same_record_of_a_file_at_rest_is_damage(tmp_path: Path, name: str) -> None:
    log, content = tmp_path / name, WRITERS[name](rows(101))
    log.write_bytes(content[:-10])
    result = audit(log)
    assert (result.verdict.value, result.exit_code) == ("PASS", 4)
    assert result.witnesses[0].decided == 100
    assert len(found(result, "damaged-input")) == 1
    assert not found(result, "changed-input")


@pytest.mark.bad_input(31)
@pytest.mark.parametrize("command", ["balance", "identify"])
def test_other_commands_take_a_pending_record_for_no_damage(tmp_path: Path, command: str) -> None:
    log, content = tmp_path / "log.jsonl", json_lines(rows(101))
    log.write_bytes(content[:-10])
    with writer(log) as append:
        options = AuditOptions(progress=once(append, content[-10:]))
        if command == "balance":
            result = balance_logs(spec_from_formula(FORMULA), [str(log)], (), options)
        else:
            result, _ = identify_logs(Question("loss", (), "float32", {}), [str(log)], options)
    assert result.exit_code != 4
    assert not found(result, "damaged-input")
    assert len(found(result, "changed-input")) == 2


@pytest.mark.bad_input(31)
def test_a_growing_compressed_log_is_pending_too(tmp_path: Path) -> None:
    log, content = tmp_path / "log.jsonl.gz", gzip.compress(json_lines(rows(5000)))
    log.write_bytes(content[:-200])
    with writer(log) as append:
        result = audit(log, progress=once(append, content[-200:]))
    assert result.exit_code == 0
    assert not found(result, "damaged-input")
    assert any("inside a compressed member" in f.message for f in found(result, "changed-input"))


@pytest.mark.bad_input(31)
def test_damage_in_the_middle_of_a_growing_file_stays_damage(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(json_lines(rows(50)) + b'{"step": 50, "lo\n' + json_lines(rows(50, 51)))
    with writer(log) as append:
        result = audit(log, progress=once(append, json_lines(rows(1, 101))))
    assert result.exit_code == 4
    assert places(result) == [("log.jsonl", 51)]
    assert len(found(result, "changed-input")) == 1


def replace_it(log: Path) -> None:
    (log.parent / "new").write_bytes(b"")
    (log.parent / "new").replace(log)


def cut_it(log: Path) -> None:
    os.truncate(log, 100)


def write_over_it(log: Path) -> None:
    with log.open("r+b") as file:
        file.write(b"#")
    os.utime(log, (1, 1))  # clocks of files may be too coarse to show it


@pytest.mark.bad_input(32)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (replace_it, "was replaced by another file"),
        (lambda log: log.rename(log.parent / "log.1"), "was removed or renamed"),
        (cut_it, "was cut to 100 bytes"),
        (write_over_it, "was written to"),
    ],
    ids=["replaced", "renamed", "cut", "written"],
)
def test_a_change_during_the_read_is_said_with_what_was_read(
    tmp_path: Path, change: Callable[[Path], None], says: str
) -> None:
    log, content = tmp_path / "log.jsonl", json_lines(rows(100))
    log.write_bytes(content)
    result = audit(log, progress=once(change, log))
    (warning,) = found(result, "changed-input")
    assert warning.severity is Severity.WARNING
    assert f"{says} while it was read" in warning.message or says in warning.message
    assert f"{len(content):,} bytes were read" in warning.message
    assert (result.verdict.value, result.witnesses[0].decided) == ("PASS", 100)


@pytest.mark.bad_input(32)
def test_a_file_that_is_cut_while_it_is_read_has_no_pending_record(tmp_path: Path) -> None:
    log, content = tmp_path / "log.jsonl", json_lines(rows(101))
    log.write_bytes(content[:-10])
    result = audit(log, progress=once(cut_it, log))
    assert result.exit_code == 4
    assert len(places(result)) == 1


# 33: no files -------------------------------------------------------------------------------------


@pytest.mark.bad_input(33)
def test_devices_folders_and_links_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    for log, says in [
        ("/dev/zero", "not a regular file or a pipe"),
        (tmp_path / "folder", "is a folder without event files"),
        (tmp_path / "dangling", "No such file"),
        (tmp_path / "loop", "Too many levels of symbolic links"),
    ]:
        with pytest.raises(InputError, match=says) as caught:
            audit(log)
        assert str(caught.value).startswith(f"{log}: ")
        assert caught.value.exit_code == 4


@pytest.mark.bad_input(33)
def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    source = tmp_path / "log.jsonl"
    source.write_bytes(json_lines(rows(3000)))
    copy = (
        "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), open(sys.argv[2], 'wb'))"
    )
    with subprocess.Popen([sys.executable, "-c", copy, str(source), str(pipe)]) as feed:
        result = audit(pipe)
    assert feed.returncode == 0
    assert (result.verdict.value, result.witnesses[0].decided) == ("PASS", 3000)


@contextmanager
def no_permission(file: Path) -> Iterator[None]:
    """A file that may not be read, by root neither."""
    file.chmod(0)
    euid = os.geteuid()
    if euid == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(euid)
        file.chmod(0o600)


@pytest.mark.bad_input(33)
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(json_lines(rows(10)))
    audit(log)  # so that all is imported
    with no_permission(log), pytest.raises(InputError, match="Permission denied"):
        audit(log)


@pytest.mark.bad_input(33)
@pytest.mark.parametrize("kind", ["pipe", "dangling", "loop", "text"])
def test_what_is_no_event_file_in_a_folder_is_said_and_the_others_are_read(
    tmp_path: Path, kind: str
) -> None:
    (tmp_path / "events.out.tfevents.1").write_bytes(event_file(rows(50)))
    odd = tmp_path / "events.out.tfevents.2"
    match kind:
        case "pipe":
            os.mkfifo(odd)  # nobody writes into it: opening it would wait for ever
        case "dangling":
            odd.symlink_to(tmp_path / "none")
        case "loop":
            odd.symlink_to(odd)
        case _:
            odd.write_bytes(b"nothing that any reader knows\n" * 3)
    (tmp_path / "events.out.tfevents.3").write_bytes(event_file(rows(50, 50)))
    result = audit(tmp_path)
    assert (result.verdict.value, result.exit_code) == ("PASS", 4)
    assert result.witnesses[0].decided == 100
    assert places(result) == [(odd.name, 0)]
    assert found(result, "damaged-input")[0].message.endswith("the file is left out")


# 34: empty ----------------------------------------------------------------------------------------


@pytest.mark.bad_input(34)
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("keep", ["nothing", "header"])
def test_a_log_without_records_is_inconclusive(tmp_path: Path, name: str, keep: str) -> None:
    log = tmp_path / name
    log.write_bytes(WRITERS[name]([]) if keep == "header" else b"")
    done = lossaudit("check", log, "-f", FORMULA, "--rival", RIVAL, "--format", "concise")
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith(b"INCONCLUSIVE")
