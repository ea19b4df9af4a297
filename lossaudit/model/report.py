"""What a report format is: a pure function from a result to text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lossaudit.model.result import Result


@dataclass(frozen=True, slots=True)
class Page:
    """Where text is going to be shown; a file has no colour and is 100 columns wide."""

    width: int = 100
    colour: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """An output format.

    Attributes:
        name: as in `--format NAME`.
        summary: one line for help texts.
        render: (result, page) -> text ending in a newline. The same result and page give the same
            bytes: no clock, no environment.
    """

    name: str
    summary: str
    render: Callable[[Result, Page], str]
