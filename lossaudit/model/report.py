"""What a report format is: a pure function from a result to text."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from lossaudit.model.result import Result


class Page(Struct, frozen=True):
    """Where text is going to be shown; a file has no colour and is 100 columns wide.

    A verbose page has every witness in full, those that pass among others as well.
    """

    width: int = 100
    colour: bool = False
    verbose: bool = False


class Report(Struct, frozen=True):
    """An output format.

    Attributes:
        name: as in `--format NAME`.
        summary: one line for help texts.
        render: (result, page) -> text ending in a newline. The same result and page give the same
            bytes: no clock, no environment.
        needs: a module of the extra `report` without which it cannot be made, or "".
    """

    name: str
    summary: str
    render: Callable[[Result, Page], str]
    needs: str = ""
