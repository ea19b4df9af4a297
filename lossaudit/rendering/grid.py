"""A table of text that knows no output format: what a section says, not how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from lossaudit.rendering.safe_text import escape_text, shorten_middle

LONGEST_NAME = 28
GAP = 2

Tone = Literal["", "good", "bad", "unsure", "quiet", "strong"]
"""What a cell means, for colour; its text says the same."""


class Cell(Struct, frozen=True):
    """Raw text, not yet escaped; `detail` stands below it, less prominent."""

    text: str
    tone: Tone = ""
    detail: str = ""


def name_cell(name: str, tone: Tone = "") -> Cell:
    """A term's or a column's name, shortened so that a row has room for numbers."""
    return Cell(shorten_middle(escape_text(name), LONGEST_NAME), tone)


class Heading(Struct, frozen=True):
    """A column.

    Attributes:
        name: its title; `detail` stands below it.
        align: numbers to the right.
        wraps: whether its text may run over several lines.
        drop: columns with the highest number go first where the page is too narrow; 0 never goes.
    """

    name: str
    align: Literal["left", "right"] = "left"
    wraps: bool = False
    drop: int = 0
    detail: str = ""


class Grid(Struct, frozen=True):
    """A titled table; `note` stands below it. Without headings it has no header line."""

    title: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    has_header: bool = True

    def unfolded(self) -> Grid:
        """The first column's details as a column of their own, and no cell that wraps."""
        first, *others = (replace(heading, wraps=False) for heading in self.headings)
        rows = tuple(
            (Cell(row[0].text, row[0].tone), Cell(row[0].detail, "quiet"), *row[1:])
            for row in self.rows
        )
        return replace(self, headings=(Heading(""), first, *others), rows=rows)

    def transposed(self) -> Grid:
        """Rows and columns exchanged; the details of the row titles go to the note."""
        details = [f"{row[0].text}: {row[0].detail}." for row in self.rows if row[0].detail]
        names = tuple(Heading(row[0].text, wraps=True) for row in self.rows)
        cells = zip(*(row[1:] for row in self.rows), strict=True)
        rows = tuple(
            (Cell(f"{heading.name} {heading.detail}".strip(), "strong"), *column)
            for heading, column in zip(self.headings[1:], cells, strict=True)
        )
        return Grid(
            self.title,
            (Heading("", wraps=True), *names),
            rows,
            " ".join([*details, self.note]).strip(),
        )


def room_beside(
    headings: Sequence[Heading], rows: Sequence[Sequence[Cell]], page_width: int, most: int
) -> int:
    """Characters that the last column may have beside the others, at least 8.

    Args:
        headings: of all columns.
        rows: all cells, the last of each still empty.
        page_width: characters of a line.
        most: of the answer.
    """
    widths = [
        max([len(h.name), len(h.detail), *(len(escape_text(row[k].text)) for row in rows)])
        for k, h in enumerate(headings[:-1])
    ]
    return max(8, min(page_width - sum(widths) - GAP * len(headings), most))
