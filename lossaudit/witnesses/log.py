"""The log witness: a file, a folder of event files, or standard input becomes one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lossaudit import registry
from lossaudit.errors import InputError, UsageError
from lossaudit.model.log import Log
from lossaudit.model.table import Damage
from lossaudit.witnesses.reader import Reader, ReadOptions
from lossaudit.witnesses.stream import LogStream, open_log

EVENT_FILES = "*tfevents*"

Progress = Callable[[int], None]
"""Called with the number of records read so far."""


@dataclass(frozen=True, slots=True)
class ReadLog:
    """A log as it was read.

    Attributes:
        log: all records; empty where there is none.
        damage: stretches that could not be read.
        reader: the name of the reader, or several joined by "+".
        sha256: of the stored bytes; of the files' digests in order, for a folder.
    """

    log: Log
    damage: tuple[Damage, ...]
    reader: str
    sha256: str


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
    if path != "-" and Path(path).is_dir():
        return _read_folder(path, reader, options, progress)
    return _read_file(path, Log(path), reader, options, progress)


def _read_file(
    path: str, log: Log, reader: str | None, options: ReadOptions, progress: Progress
) -> ReadLog:
    """Append one file's records to a log."""
    stream = open_log(path)
    try:
        chosen = _choose(stream, reader or _implied(options))
        damage: list[Damage] = []
        for item in chosen.read(stream, options):
            if isinstance(item, Damage):
                damage.append(item)
            elif item.records:
                log.append(item)
                progress(log.records)
        for _ in stream.blocks():
            pass  # so that the digest covers the whole file
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=path) from None
    finally:
        stream.close()
    return ReadLog(log, (*damage, *stream.damage), chosen.name, stream.sha256())


def _read_folder(
    path: str, reader: str | None, options: ReadOptions, progress: Progress
) -> ReadLog:
    files = sorted(p for p in Path(path).glob(EVENT_FILES) if p.is_file())
    if not files:
        raise InputError(
            "is a folder without event files",
            where=path,
            expected="a log file, or a folder that holds events.out.tfevents.* files",
            hint=f"name the log itself, for example {path}/log.jsonl",
        )
    log = Log(str(files[0]))
    parts = [_read_file(str(f), log, reader, options, progress) for f in files]
    if len(parts) == 1:
        return parts[0]
    import hashlib

    digest = hashlib.sha256("".join(p.sha256 for p in parts).encode()).hexdigest()
    damage = tuple(d for p in parts for d in p.damage)
    return ReadLog(log, damage, parts[0].reader, digest)


def _implied(options: ReadOptions) -> str | None:
    """The reader that an option speaks to."""
    if options.pattern is not None:
        return "text"
    return "csv" if options.columns else None


def _choose(stream: LogStream, name: str | None) -> Reader:
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
    if best <= 0:
        raise InputError(
            "is in no format that a reader knows",
            where=stream.name,
            expected=", ".join(known),
            hint="name the format with --reader, or describe a line with --pattern",
        )
    return scores[best]
