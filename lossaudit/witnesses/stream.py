"""Opens a log: a file, standard input, gzip or zstd, always read in bounded pieces and hashed."""

from __future__ import annotations

import hashlib
import os
import select
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from msgspec import Struct, field

from lossaudit.errors import InputError
from lossaudit.model.table import Change, Damage
from lossaudit.witnesses.watch import Watch

HEAD = 1 << 16
BLOCK = 1 << 20

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class LogStream(Struct):
    """The decompressed content of one log, read once from front to back.

    Attributes:
        name: the log, as the user named it ("-" is standard input).
        stored: the bytes as they are stored, perhaps compressed.
        damage: what is wrong with the file or its compression; complete once `blocks` is exhausted.
        head: the first 64 KiB of the content, for sniffing; `blocks` gives them again.
        at_once: a reader that parses whole pieces may have larger ones.
    """

    name: str
    stored: BinaryIO
    damage: list[Damage] = field(default_factory=list)
    head: bytes = b""
    at_once: int = 1
    _compressed: bool = False
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)
    _pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    _read: int = 0
    _watch: Watch = None  # type: ignore[assignment]  # __post_init__

    def __post_init__(self) -> None:
        self._watch = Watch.of(self.name, self.stored)
        pieces = self._decompressed()
        start = bytearray()
        while len(start) < HEAD and (piece := next(pieces, b"")):
            start += piece
        self.head = bytes(start[:HEAD])
        self._pieces = _chain(bytes(start), pieces)

    def path(self) -> str | None:
        """What another process may open to read the same content, whatever the log's name becomes.

        None where the content is not a regular file as it stands, or the system has no such names.
        """
        if self._compressed or self._watch.opened is None:
            return None
        path = f"/proc/{os.getpid()}/fd/{self.stored.fileno()}"
        return path if os.path.exists(path) else None  # noqa: PTH110 - it never raises

    def blocks(self) -> Iterator[bytes]:
        """The content in pieces of about 1 MiB, or `at_once` of them; may be consumed once."""
        return self._pieces

    def sha256(self) -> str:
        """SHA-256 of the stored bytes that have been read so far, as hexadecimal digits."""
        return self._hash.hexdigest()

    def changes(self) -> list[Change]:
        """What has happened to the file since it was opened."""
        return self._watch.changes(self._read)

    def close(self) -> None:
        """Close the underlying file, unless it is standard input."""
        if self.name != "-":
            self.stored.close()

    def _stored_pieces(self) -> Iterator[bytes]:
        while piece := self._stored_piece():
            self._read += len(piece)
            self._hash.update(piece)
            yield piece

    def _stored_piece(self) -> bytes:
        """The next bytes as stored; a file that fails midway ends there, with damage."""
        try:
            if self._watch.is_pipe:
                return _piped(self.stored, self.at_once * BLOCK)
            return self.stored.read(self.at_once * BLOCK)
        except OSError as error:
            if not self._read:
                raise
            reason = error.strerror or error
            message = f"cannot be read after {self._read:,} bytes: {reason}"
            self.damage.append(Damage(message, self.name, self._read, "byte"))
            return b""

    def _decompressed(self) -> Iterator[bytes]:
        stored = self._stored_pieces()
        first = next(stored, b"")
        while 0 < len(first) < len(ZSTD_MAGIC) and (more := next(stored, b"")):
            first += more  # a pipe may give less than a magic number at a time
        pieces = _chain(first, stored)
        self._compressed = first.startswith((GZIP_MAGIC, ZSTD_MAGIC))
        if first.startswith(GZIP_MAGIC):
            return self._until_broken(_gunzip(pieces), "gzip")
        if first.startswith(ZSTD_MAGIC):
            return self._until_broken(_unzstd(pieces), "zstd")
        return pieces

    def _until_broken(self, pieces: Iterator[bytes], kind: str) -> Iterator[bytes]:
        length = 0
        try:
            for piece in pieces:
                length += len(piece)
                yield piece
        except _BrokenError as broken:
            message = f"{kind} data is broken after {length:,} decompressed bytes: {broken}"
            self.damage.append(
                Damage(message, self.name, length, "byte", isinstance(broken, _CutError))
            )


class _BrokenError(Exception):
    """Compressed data is corrupt or cut."""


class _CutError(_BrokenError):
    """Compressed data ends too early."""


def _piped(pipe: BinaryIO, size: int) -> bytes:
    """The next block of a pipe; Ctrl-C ends the wait, which a plain read goes on with.

    What somebody has peeked at is still in the pipe's buffer, and comes first.
    """
    piece, waiting = bytearray(), select.poll()
    waiting.register(pipe.fileno(), select.POLLIN)
    while len(piece) < size:
        waiting.poll()  # polars has interrupted reads started again, but not this
        more = pipe.read1(size - len(piece))  # type: ignore[attr-defined]
        if not more:
            break
        piece += more
    return bytes(piece)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _slices(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), size):
            yield piece[start : start + size]


def _gunzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress concatenated gzip members; each output piece is about a block at most."""
    member, inside = zlib.decompressobj(wbits=31), False
    for piece in _slices(pieces, 1 << 16):
        while piece := piece if inside else piece.lstrip(b"\0"):  # zeros may pad a member
            inside, before = True, member.copy()
            try:
                produced = member.decompress(piece, BLOCK)
            except zlib.error as error:
                yield from _up_to_error(before, piece)
                raise _BrokenError(str(error)) from None
            if produced:
                yield produced
            piece = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member, inside = zlib.decompressobj(wbits=31), False
    if inside:
        if rest := member.flush():
            yield rest
        raise _CutError("the file ends inside a compressed member")


def _up_to_error(member: zlib._Decompress, piece: bytes) -> Iterator[bytes]:
    """What precedes an error inside a piece, which zlib drops; byte by byte."""
    kept = bytearray()
    with suppress(zlib.error):
        for byte in piece:
            kept += member.decompress(bytes((byte,)))
    if kept:
        yield bytes(kept)


def _unzstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress concatenated zstd frames; each output piece is at most one block."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    frame, inside = zstd.ZstdDecompressor(), False
    for piece in _slices(pieces, 1 << 10):  # an error drops what its slice would have given
        while piece or (inside and not frame.needs_input):
            inside = True
            try:
                produced = frame.decompress(piece, BLOCK)
            except zstd.ZstdError as error:
                raise _BrokenError(str(error)) from None
            if produced:
                yield produced
            piece = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame, inside = zstd.ZstdDecompressor(), False
    if inside:
        raise _CutError("the file ends inside a compressed frame")


def open_log(path: str, expected: str = "a log file") -> LogStream:
    """Open a log file, or standard input for "-".

    Args:
        path: of the file.
        expected: what the user is told that it should have been.

    Raises:
        InputError: if it is missing, no regular file or pipe, or cannot be read.
    """
    if path == "-":
        return LogStream("-", sys.stdin.buffer)
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise InputError("not a regular file or a pipe", where=path, expected=expected)
        return LogStream(path, open(path, "rb"))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", where=path, expected=expected) from None
