"""Opening a log: plain, gzip and zstd, whole and broken, and what is no log at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossaudit.errors import InputError
from lossaudit.model.table import Damage
from lossaudit.witnesses.stream import BLOCK, HEAD, LogStream, open_log

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT = b"".join(b'{"step": %d, "loss": %r}\n' % (k, 1 / (k + 1)) for k in range(3000))
NOISE = random.Random(0).randbytes(3 * BLOCK)

Compress = Callable[[bytes], bytes]
either = pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])


class Dribble(io.BytesIO):
    """A pipe that gives few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(3, size or 3))


def everything(stored: bytes) -> tuple[bytes, list[Damage]]:
    stream = LogStream("log", io.BytesIO(stored))
    return b"".join(stream.blocks()), stream.damage


def test_plain_content_passes_unchanged() -> None:
    assert everything(CONTENT) == (CONTENT, [])


@either
@pytest.mark.parametrize("content", [b"", b"x", CONTENT, NOISE], ids=len)
def test_compressed_content_is_decompressed(compress: Compress, content: bytes) -> None:
    assert everything(compress(content)) == (content, [])


@either
def test_concatenated_members_are_one_log(compress: Compress) -> None:
    stored = compress(CONTENT) + compress(b"") + compress(NOISE)
    assert everything(stored) == (CONTENT + NOISE, [])


@either
def test_members_that_end_at_a_block_boundary_are_joined(compress: Compress) -> None:
    noise = NOISE[: BLOCK - len(compress(NOISE[:BLOCK])) + BLOCK]
    while len(stored := compress(noise)) != BLOCK:
        noise = noise[: len(noise) - (len(stored) - BLOCK)]
    assert everything(stored + compress(b"tail")) == (noise + b"tail", [])


@pytest.mark.parametrize("zeros", [1, 511, 2 * BLOCK])
def test_zeros_after_a_gzip_member_are_padding(zeros: int) -> None:
    padding = b"\0" * zeros
    stored = gzip.compress(b"a") + padding + gzip.compress(b"b") + padding
    assert everything(stored) == (b"ab", [])


@either
def test_few_bytes_at_a_time_give_the_same(compress: Compress) -> None:
    stream = LogStream("log", Dribble(compress(CONTENT)))
    assert b"".join(stream.blocks()) == CONTENT


def test_every_cut_of_a_gzip_file_keeps_what_could_be_decompressed() -> None:
    stored = gzip.compress(CONTENT[:300]) + gzip.compress(b"second")
    whole = {len(gzip.compress(CONTENT[:300])), len(stored)}
    for length in range(2, len(stored)):
        content, damage = everything(stored[:length])
        assert (CONTENT[:300] + b"second").startswith(content)
        assert bool(damage) == (length not in whole)


def test_every_cut_of_a_zstd_file_is_damage() -> None:
    stored = zstd.compress(CONTENT[:300])
    for length in range(4, len(stored)):
        content, damage = everything(stored[:length])
        assert CONTENT.startswith(content)
        assert len(damage) == 1


def test_a_cut_gzip_file_keeps_nearly_all_before_the_cut() -> None:
    content, (damage,) = everything(gzip.compress(NOISE)[: 2 * BLOCK])
    assert len(content) > 2 * BLOCK - 70_000
    message = (
        f"gzip data is broken after {len(content):,} decompressed bytes: "
        "the file ends inside a compressed member"
    )
    assert damage == Damage(message, "log", len(content), "byte", partial_tail=True)


def test_a_cut_zstd_file_keeps_nearly_all_before_the_cut() -> None:
    content, (damage,) = everything(zstd.compress(NOISE)[: 2 * BLOCK])
    assert len(content) > 2 * BLOCK - 140_000
    message = (
        f"zstd data is broken after {len(content):,} decompressed bytes: "
        "the file ends inside a compressed frame"
    )
    assert damage == Damage(message, "log", len(content), "byte", partial_tail=True)


def test_a_wrong_gzip_checksum_is_damage() -> None:
    stored = bytearray(gzip.compress(CONTENT))
    stored[-8] ^= 1
    content, (damage,) = everything(bytes(stored))
    assert content == CONTENT
    assert damage.message == (
        f"gzip data is broken after {len(CONTENT):,} decompressed bytes: "
        "Error -3 while decompressing data: incorrect data check"
    )


@either
def test_what_precedes_an_error_is_kept(compress: Compress) -> None:
    words = b"".join(b"%d " % k for k in random.Random(1).choices(range(10**6), k=400_000))
    stored = bytearray(compress(words))
    middle = len(stored) // 2
    stored[middle : middle + 400] = b"\xff" * 400
    content, damage = everything(bytes(stored))
    known = next((i for i, (a, b) in enumerate(zip(content, words, strict=False)) if a != b), None)
    assert len(damage) == 1
    assert (known or len(content)) > len(words) // 2 - 300_000


@either
def test_foreign_bytes_after_a_member_are_damage(compress: Compress) -> None:
    content, damage = everything(compress(CONTENT) + b"not compressed")
    assert content == CONTENT
    assert len(damage) == 1


@given(st.binary(), st.sampled_from([b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b""]))
def test_arbitrary_bytes_never_raise(content: bytes, magic: bytes) -> None:
    everything(magic + content)


@either
def test_a_bomb_is_read_in_bounded_pieces(compress: Compress) -> None:
    stored = compress(b"\0" * (64 * BLOCK))
    assert len(stored) < BLOCK
    tracemalloc.start()
    total = 0
    for block in LogStream("log", io.BytesIO(stored)).blocks():
        assert len(block) <= BLOCK
        total += len(block)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 64 * BLOCK
    assert peak < 16 * BLOCK


@pytest.mark.parametrize("length", [0, 10, HEAD, HEAD + 10])
def test_the_head_is_the_start_and_comes_again(length: int) -> None:
    stream = LogStream("log", io.BytesIO(gzip.compress(NOISE[:length])))
    assert stream.head == NOISE[: min(length, HEAD)]
    assert b"".join(stream.blocks()) == NOISE[:length]


def test_the_hash_is_that_of_the_stored_bytes() -> None:
    stored = gzip.compress(NOISE)
    stream = LogStream("log", io.BytesIO(stored))
    assert stream.sha256() != hashlib.sha256(stored).hexdigest()
    assert sum(map(len, stream.blocks())) == len(NOISE)
    assert stream.sha256() == hashlib.sha256(stored).hexdigest()


def test_open_log_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(CONTENT))
    stream = open_log(str(path))
    assert b"".join(stream.blocks()) == CONTENT
    stream.close()
    assert stream.stored.closed


def test_open_log_reads_standard_input_and_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CONTENT)))
    stream = open_log("-")
    assert b"".join(stream.blocks()) == CONTENT
    stream.close()
    assert not stream.stored.closed


class Failing(io.BytesIO):
    """A disk that fails after its first block."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_a_disk_that_fails_midway_is_damage_and_what_was_read_is_kept() -> None:
    stream = LogStream("log", Failing(NOISE))
    assert b"".join(stream.blocks()) == NOISE[:BLOCK]
    message = f"cannot be read after {BLOCK:,} bytes: Input/output error"
    assert stream.damage == [Damage(message, "log", BLOCK, "byte")]


def refusal(path: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        open_log(str(path))
    return str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert refusal(path) == (
        f"{path}: cannot be read: No such file or directory\n  expected: a log file"
    )


@pytest.mark.parametrize("path", ["/dev/zero", "/"])
def test_a_device_or_folder_is_refused(path: str) -> None:
    assert refusal(path) == f"{path}: not a regular file or a pipe\n  expected: a log file"


def test_dangling_and_looping_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be read: No such file" in refusal(tmp_path / "dangling")
    assert "cannot be read: Too many levels of symbolic links" in refusal(tmp_path / "loop")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").touch(mode=0)
    assert "cannot be read: Permission denied" in refusal(tmp_path / "log")


def test_a_path_with_nul_is_refused() -> None:
    assert refusal("a\0b") == ("a\0b: cannot be read: embedded null byte\n  expected: a log file")
