"""Notices what happens to a file while it is read: it grows, is replaced, cut or written over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

from lossaudit.model.table import Change


class Watch(Struct, frozen=True):
    """A file as it was when it was opened.

    Attributes:
        name: the log, as the user named it ("-" is standard input).
        stored: the open file.
        opened: its state then; None where it is a pipe, which has no state to compare.
        is_pipe: whether it is read from a pipe, or another file that may keep its readers waiting.
    """

    name: str
    stored: BinaryIO
    opened: os.stat_result | None
    is_pipe: bool = False

    @classmethod
    def of(cls, name: str, stored: BinaryIO) -> Watch:
        """Look at a file that has just been opened."""
        found = _state(stored)
        is_file = found is not None and stat.S_ISREG(found.st_mode)
        return cls(name, stored, found if is_file else None, found is not None and not is_file)

    def changes(self, read: int) -> list[Change]:
        """What has happened since, to the file and to its name.

        Args:
            read: how many of its bytes were read.
        """
        now = _state(self.stored)
        if self.opened is None or now is None:
            return []
        what = f"{read:,} bytes were read"
        return [*self._content(self.opened, now, read, what), *self._name(now, what)]

    def _content(
        self, before: os.stat_result, now: os.stat_result, read: int, what: str
    ) -> Iterator[Change]:
        """Whether the open file has become longer, shorter, or another one."""
        if now.st_size < max(read, before.st_size):
            text = f"was cut to {now.st_size:,} bytes while it was read; {what}"
            yield Change(text, self.name)
        elif now.st_size > before.st_size:
            size = f"{before.st_size:,} to {now.st_size:,} bytes"
            yield Change(f"grew from {size} while it was read; {what}", self.name, grew=True)
        elif now.st_mtime_ns != before.st_mtime_ns:
            text = f"was written to while it was read; {what}, old ones and new ones perhaps"
            yield Change(text, self.name)

    def _name(self, now: os.stat_result, what: str) -> Iterator[Change]:
        """Whether the file's name has come to stand for another file, or for none."""
        if self.name == "-":
            return
        try:
            there = os.stat(self.name)
        except OSError:
            yield Change(f"was removed or renamed while it was read; {what}", self.name)
            return
        if not os.path.samestat(there, now):
            text = f"was replaced by another file while it was read; {what}, of the old one"
            yield Change(text, self.name)


def _state(stored: BinaryIO) -> os.stat_result | None:
    """The state of an open file; None for bytes in memory, and for a file that is closed."""
    try:
        return os.fstat(stored.fileno())
    except (OSError, ValueError):
        return None
