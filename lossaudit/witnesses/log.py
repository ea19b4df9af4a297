"""The log witness: a file, a folder of event files, or standard input becomes one table."""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lossaudit import registry
from lossaudit.errors import InputError, UsageError
from lossaudit.model.log import Log
from lossaudit.model.table import Change, Damage, Unread
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream, open_log

EVENT_FILES = "*tfevents*"

LOG_SUFFIXES = frozenset((".csv", ".tsv", ".json", ".jsonl", ".log", ".txt", ".parquet"))
MOST_ENTRIES, MOST_NAMED = 1000, 4
"""What is looked at and named where a folder stands for a log."""

RESULT_OF_OURS = b'"schema": "lossaudit/'
"""How a stored result begins: it is no log."""

Progress = Callable[[int], None]
"""Called with the number of records read so far."""


class ReadLog(Struct, frozen=True):
    """A log as it was read.

    Attributes:
        log: all records; empty where there is none.
        damage: stretches that could not be read.
        reader: the name of the reader, or several joined by "+".
        sha256: of the stored bytes; of the files' digests in order, for a folder.
        changes: what happened to its files while they were read.
    """

    log: Log
    damage: tuple[Damage, ...]
    reader: str
    sha256: str
    changes: tuple[Change, ...] = ()

    @property
    def is_damaged(self) -> bool:
        """Whether anything could not be read, but for a last record that is still being written."""
        return any(not damage.pending for damage in self.damage)


def readers() -> dict[str, Reader]:
    """Every log reader by name."""
    return registry.load("lossaudit.witnesses.logs", Reader)


def read_log(
    path: str,
    reader: str | None = None,
    options: ReadOptions | None = None,
    progress: Progress = lambda _: None,
) -> ReadLog:
    """Read one log.

    Args:
        path: a file, "-", or a folder of TensorBoard event files, which are one run in the order
            of their names (the writer's start time).
        reader: a reader's name; None detects the format from the content.
        options: the layout, where the user knows it.
        progress: called now and then with the number of records so far.

    Raises:
        InputError: if it cannot be opened, or its format is not recognised.
        UsageError: if there is no reader of that name.
    """
    options = options or ReadOptions()
    if path != "-" and os.path.isdir(path):  # noqa: PTH112 - it never raises
        return _read_folder(path, reader, options, progress)
    return _read_file(path, Log(path), reader, options, progress)


def recognised(path: str, pattern: str = "") -> str | None:
    """The reader that is surest of a file, or None where no reader knows it or it is a result.

    Args:
        path: of the file.
        pattern: a text that it is found in is a log as well.
    """
    try:
        stream = open_log(path)
    except InputError:
        return None
    try:
        if not stream.head or RESULT_OF_OURS in stream.head[:200]:
            return None
        return _choose(stream, None, ReadOptions(usual_pattern=pattern)).name
    except (InputError, OSError):
        return None
    finally:
        stream.close()


def _read_file(
    path: str, log: Log, reader: str | None, options: ReadOptions, progress: Progress
) -> ReadLog:
    """Append one file's records to a log."""
    stream = open_log(path)
    try:
        chosen = _choose(stream, reader, options)
        damage: list[Damage] = []
        for item in chosen.read(stream, options):
            if isinstance(item, Damage):
                damage.append(item)
            elif isinstance(item, Unread):
                log.unread[item.tag] = item
            elif item.records:
                log.append(item)
                progress(log.records)
        for _ in stream.blocks():
            pass  # so that the digest covers the whole file
        changes = stream.changes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=path) from None
    finally:
        stream.close()
    found = (*damage, *stream.damage)
    if any(change.grew for change in changes):
        found = tuple(replace(d, pending=d.partial_tail) for d in found)
    return ReadLog(log, found, chosen.name, stream.sha256(), tuple(changes))


def _read_folder(
    path: str, reader: str | None, options: ReadOptions, progress: Progress
) -> ReadLog:
    """Read event files as one log; one that cannot be read is damage where others can."""
    files = event_files(path)
    if not files:
        raise InputError(
            "is a folder without event files",
            where=path,
            expected="a log file, or a folder that holds events.out.tfevents.* files",
            hint=_logs_inside(path),
        )
    log = Log(files[0])
    parts: list[ReadLog] = []
    refused: list[InputError] = []
    for file in files:
        try:
            parts.append(_read_part(file, log, reader, options, progress))
        except InputError as error:
            refused.append(error)
    if not parts:
        raise refused[0]
    lost = [Damage(f"{e.message}; the file is left out", e.where, 0, "byte") for e in refused]
    if len(files) == 1:
        return parts[0]
    digest = hashlib.sha256("".join(p.sha256 for p in parts).encode()).hexdigest()
    damage = (*(d for p in parts for d in p.damage), *lost)
    changes = tuple(c for p in parts for c in p.changes)
    return ReadLog(log, damage, parts[0].reader, digest, changes)


def _logs_inside(folder: str) -> str:
    """What in a folder may be meant; nothing is opened."""
    entries = sorted(islice(Path(folder).iterdir(), MOST_ENTRIES))
    found = [str(p) for p in entries if p.suffix in LOG_SUFFIXES or (p.is_dir() and _has_events(p))]
    if not found:
        return f"name the log itself, for example {folder}/log.jsonl"
    shown = ", ".join(found[:MOST_NAMED]) + (", ..." if len(found) > MOST_NAMED else "")
    return f"name the log itself: {shown}; `lossaudit audit {folder}` finds all of a run's logs"


def _has_events(folder: Path) -> bool:
    try:
        return any(fnmatch.fnmatch(p.name, EVENT_FILES) for p in islice(folder.iterdir(), 100))
    except OSError:
        return False


def event_files(folder: str) -> list[str]:
    """What may be an event file in a folder, in the order of the names.

    Raises:
        InputError: if the folder cannot be read.
    """
    try:
        found = fnmatch.filter((p.name for p in Path(folder).iterdir()), EVENT_FILES)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=folder) from None
    paths = (str(Path(folder) / name) for name in sorted(found))
    return [path for path in paths if not os.path.isdir(path)]  # noqa: PTH112 - it never raises


def _read_part(
    file: str, log: Log, reader: str | None, options: ReadOptions, progress: Progress
) -> ReadLog:
    """Append one file of a folder; a pipe there would be waited for, and is refused."""
    if os.path.exists(file) and not os.path.isfile(file):  # noqa: PTH110, PTH113 - as above
        raise InputError("not a regular file", where=file)
    return _read_file(file, log, reader, options, progress)


def _choose(stream: LogStream, name: str | None, options: ReadOptions) -> Reader:
    """The named reader, or the one that is surest of the content."""
    known = readers()
    if name is not None:
        if name not in known:
            raise UsageError(f"no reader is called {name!r}", expected=", ".join(known))
        return known[name]
    file_name = Path(stream.name).name
    scores = {r.sniff(stream.head, file_name): r for r in known.values()}
    if not stream.head:
        return known["text"]
    best = max(scores)
    if best <= 0 and options.pattern_for(stream.head) is not None:
        return known["text"]
    if best <= 0:
        raise InputError(
            "is in no format that a reader knows",
            where=stream.name,
            expected=", ".join(known),
            hint="name the format with --reader, or describe a line with --pattern",
        )
    return scores[best]
