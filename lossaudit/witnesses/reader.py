"""What a log reader is: a plugin that turns a stream of bytes into tables and damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from lossaudit.model.table import Damage, Table, Unread
from lossaudit.spec.line_pattern import END, compile_pattern
from lossaudit.witnesses.stream import LogStream


class ReadOptions(Struct, frozen=True):
    """What a user may say about a log's layout.

    Attributes:
        columns: names for the columns of a table without a header line, or empty.
        pattern: a regular expression whose groups name tags of a line of text, or None.
        usual_columns: names for a table that has no header and as many columns, or empty.
        usual_pattern: as `pattern`, for a text that begins with a line that it is found in.
    """

    columns: tuple[str, ...] = ()
    pattern: str | None = None
    usual_columns: tuple[str, ...] = ()
    usual_pattern: str | None = None

    @property
    def reader(self) -> str | None:
        """The reader that the user speaks to."""
        if self.pattern is not None:
            return "text"
        return "csv" if self.columns else None

    def pattern_for(self, head: bytes) -> str | None:
        """The pattern for a text that begins like this, or None."""
        usual = self.usual_pattern
        if self.pattern is not None or not usual:
            return self.pattern
        compiled = compile_pattern(usual)
        return usual if any(map(compiled.search, END.split(head))) else None


class Reader(Struct, frozen=True):
    """A log format.

    Attributes:
        name: as in `--reader NAME` and `lossaudit readers`.
        summary: one line for `lossaudit readers`.
        sniff: (first 64 KiB of the content, file name) -> confidence from 0 (cannot be) to 100
            (a magic number says so). Text formats stay below 90; the file name may break a tie
            but never decides alone, since content is what counts.
        read: yields `Table` stretches in file order and a `Damage` for each stretch that could not
            be read. It never raises on damaged content. At the end of the file every good record
            has been yielded. Text ends with an `Unread` for each name without a number.
    """

    name: str
    summary: str
    sniff: Callable[[bytes, str], int]
    read: Callable[[LogStream, ReadOptions], Iterator[Table | Damage | Unread]]
