"""TensorBoard event files: the scalars of `events.out.tfevents.*`, and all that is damaged there.

TensorBoard's own loader drops the rest of a file at the first damage, and at debug level; this
reader names the byte and keeps every good record on both sides of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.model.table import Damage, Table
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream

_HEADER = 12  # bytes before a record's payload
_ZEROS = bytes(4)  # the upper bytes of a record's length
_RECORDS_PER_TABLE = 200_000
_BYTES_PER_TABLE = 1 << 27  # a bound for tables of few records with long tags


def _read(stream: LogStream, options: ReadOptions) -> Iterator[Table | Damage]:
    from lossaudit.witnesses.event_file.reading import read_runs
    from lossaudit.witnesses.event_file.records import Unreadable
    from lossaudit.witnesses.event_file.stretch import Stretch

    stretch, begin = Stretch(), 0
    for item in read_runs(stream.blocks()):
        if isinstance(item, Unreadable):
            yield Damage(item.message, stream.name, item.position, "byte", item.partial_tail)
            continue
        stretch.add(item)
        position = int(item.starts[-1])
        if stretch.records >= _RECORDS_PER_TABLE or position - begin >= _BYTES_PER_TABLE:
            if stretch.records:
                yield stretch.table(stream.name)
            stretch, begin = Stretch(), position
    if stretch.records:
        yield stretch.table(stream.name)


def _sniff(head: bytes, name: str) -> int:
    if _ZEROS in head and (sure := _sniff_records(head)):
        return sure
    if "tfevents" not in name:
        return 0
    if not head:
        return 50
    # Lengths have zeros in their upper bytes, text has none.
    return 60 if len(head) < _HEADER or b"\0" in head[:_HEADER] else 0


def _sniff_records(head: bytes) -> int:
    """Whether there is a record with its checksums, or the start of one."""
    from lossaudit.witnesses.event_file.event import is_event
    from lossaudit.witnesses.event_file.framing import HEADER, read_length
    from lossaudit.witnesses.event_file.records import Unreadable, read_records

    for item in read_records(iter([head])):
        if not isinstance(item, Unreadable):
            if is_event(item[1]):
                return 100
            break
    # The first record may reach beyond the head, or the file end inside it.
    return 90 if read_length(head[:HEADER]) is not None and is_event(head[HEADER:]) else 0


TENSORBOARD_EVENTS = Reader(
    name="tensorboard",
    summary="TensorBoard event files (events.out.tfevents.*), scalars of TF1, TF2 and torch",
    sniff=_sniff,
    read=_read,
)
