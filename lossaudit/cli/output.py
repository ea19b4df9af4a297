"""Reports leave the program: to standard output, or to a file that is replaced as a whole."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import sys
from pathlib import Path

from msgspec import Struct

from lossaudit import registry
from lossaudit.errors import UsageError
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result
from lossaudit.witnesses.log import event_files

NARROWEST, WIDEST = 60, 160


class Destination(Struct, frozen=True):
    """One report: its format, its file or None for standard output, and whether it is verbose."""

    format: str
    path: str | None
    verbose: bool = False

    def refuse_inputs(self, inputs: list[str]) -> None:
        """Raise `UsageError` where the report would replace what it is about, by whatever name."""
        if self.path is None:
            return
        if would_replace(self.path, inputs):
            raise UsageError(f"the report {self.path!r} would replace the log or spec it is about")


def would_replace(path: str, inputs: list[str]) -> bool:
    """Whether a file to be written is one of those that are read, by whatever name."""
    for read in inputs:
        parts = event_files(read) if os.path.isdir(read) else []  # noqa: PTH112 - it never raises
        if identity(path) in {identity(part) for part in (read, *parts)}:
            return True
    return False


def identity(path: str) -> object:
    """Equal for two names of one file, be they links or hard links; "-" is itself."""
    if path == "-":
        return path
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


REPORTS = "lossaudit.reports"


def check_destinations(
    format_name: str, path: str | None, further: list[str], quiet: bool, verbose: bool = False
) -> list[Destination]:
    """Which reports to write; formats and folders are checked before any work is done.

    Raises:
        UsageError: for an unknown format, one whose extra is not installed, a text that is not
            FORMAT=FILE, or a missing folder.
    """
    wanted = [] if quiet and path is None else [Destination(format_name, path, verbose)]
    for text in further:
        name, equals, file = text.partition("=")
        if not equals or not file:
            raise UsageError(f"--report {text!r} is not of the form FORMAT=FILE")
        wanted.append(Destination(name, file, verbose))
    known = registry.listed(REPORTS)
    for destination in [Destination(format_name, None), *wanted]:
        if destination.format not in known:
            raise UsageError(
                f"no report format is called {destination.format!r}", expected=", ".join(known)
            )
        _check_needs(registry.find(REPORTS, destination.format, Report))
        if destination.path and not Path(destination.path).absolute().parent.is_dir():
            raise UsageError(f"the folder of {destination.path!r} does not exist")
    return wanted


def _check_needs(report: Report) -> None:
    if report.needs and importlib.util.find_spec(report.needs) is None:
        raise UsageError(
            f"the {report.name} report needs the module {report.needs}, which is not installed",
            hint="pip install 'lossaudit[report]'",
        )


def deliver(result: Result, destination: Destination) -> None:
    """Render and write one report."""
    report: Report = registry.find(REPORTS, destination.format, Report)
    if destination.path is not None:
        write_file(destination.path, report.render(result, Page(verbose=destination.verbose)))
    else:
        write_out(report.render(result, page_of_output(destination.verbose)))


def refuse_to_replace(path: str | None, inputs: list[str]) -> None:
    """Raise `UsageError` where a report would replace something that it is about."""
    if path is not None and would_replace(path, inputs):
        raise UsageError(f"the report {path!r} would replace an input that it is about")


def deliver_text(text: str, path: str | None) -> None:
    """Write what is no report of a result: to a file, or to standard output."""
    if path is None:
        write_out(text)
    else:
        write_file(path, text)


def page_of_output(verbose: bool = False) -> Page:
    """How standard output shows text: width and colour of a terminal; elsewhere see `_columns`."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    width = shutil.get_terminal_size((100, 40)).columns if terminal else _columns()
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Page(min(max(width, NARROWEST), WIDEST), colour, verbose)


def _columns() -> int:
    """The width that `COLUMNS` sets for a pager, which is no terminal to us; else 100."""
    said = os.environ.get("COLUMNS", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 6 and int(said) else 100


def write_out(text: str) -> None:
    """Write to standard output, whatever its encoding."""
    if sys.stdout is None:  # closed by the caller: there is nobody to tell
        return
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritable("standard output", error) from None


def write_file(path: str, text: str) -> None:
    """Write a report to a file, or into a device or pipe that stands there.

    Raises:
        UsageError: if it cannot be written; an old file is left as it was.
    """
    target = Path(path).resolve()  # a link stays a link
    try:
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8", newline="\n") as device:
                device.write(text)
        else:
            _replace(target, text)
    except OSError as error:
        raise _unwritable(path, error) from None


def _replace(target: Path, text: str) -> None:
    """Write beside the old file, then put it in its place, so that one of them is always whole."""
    import tempfile

    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".lossaudit-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _unwritable(where: str, error: OSError) -> UsageError:
    reason = error.strerror or str(error)
    return UsageError(f"the report cannot be written: {reason}", where=where)
