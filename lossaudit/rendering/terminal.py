"""Grids on a terminal, drawn by rich; every string is escaped here, before rich sees it.

rich interprets its markup and passes ESC through, so nothing reaches it but `Text` of escaped text,
and nothing of the environment (NO_COLOR, COLUMNS, TERM) reaches it either.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING

from lossaudit.model.report import Page
from lossaudit.rendering.grid import GAP, Cell, Grid, Heading
from lossaudit.rendering.safe_text import clip, escape_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

STYLES = {
    "good": "green",
    "bad": "bold red",
    "unsure": "yellow",
    "quiet": "dim",
    "strong": "bold",
    "title": "bold cyan",
}
NARROWEST = 14
INDENT = 2
"""Columns that a wrapping column keeps before others are dropped."""

_TRAILING = re.compile(r"(?: |\x1b\[[0-9;]*m)+$", re.MULTILINE)


def terminal(page: Page) -> Console:
    """A console that writes to memory and asks nothing of its surroundings."""
    from rich.console import Console

    return Console(
        file=StringIO(),
        width=page.width,
        height=25,
        force_terminal=page.colour,
        color_system="standard" if page.colour else None,
        no_color=not page.colour,
        force_jupyter=False,
        force_interactive=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )


def written(console: Console) -> str:
    """What the console wrote, without spaces at line ends, ending in one newline."""
    assert isinstance(console.file, StringIO)
    return (
        _TRAILING.sub(lambda m: m[0].replace(" ", ""), console.file.getvalue()).rstrip("\n") + "\n"
    )


def safe(text: str, style: str = "") -> Text:
    """Any string as rich may have it: escaped, clipped, and no markup."""
    from rich.text import Text

    return Text(clip(escape_text(text)), style=STYLES.get(style, style), overflow="fold")


def draw_first(console: Console, *grids: Grid) -> None:
    """Draw the first of several layouts for which the page has room, or else the last."""
    draw(console, next((g for g in grids if _needed(g) <= console.width), grids[-1]))


def draw(console: Console, grid: Grid) -> None:
    """Print a grid with its title and its note, then an empty line."""
    console.print(safe(grid.title, "title"))
    console.print(_table(fitted(grid, console.width)))
    if grid.note:
        console.print(_indented(safe(grid.note, "quiet")))
    console.print()


def fitted(grid: Grid, width: int) -> Grid:
    """The grid without the columns for which a page of that width has no room."""
    while _needed(grid) > width:
        worst = max(range(len(grid.headings)), key=lambda k: grid.headings[k].drop)
        if not grid.headings[worst].drop:
            return grid
        kept = [k for k in range(len(grid.headings)) if k != worst]
        headings = tuple(grid.headings[k] for k in kept)
        rows = tuple(tuple(row[k] for k in kept) for row in grid.rows)
        grid = Grid(grid.title, headings, rows, grid.note, grid.has_header)
    return grid


def _needed(grid: Grid) -> int:
    from rich.cells import cell_len

    needed = 0
    for k, heading in enumerate(grid.headings):
        texts = [heading.name, heading.detail] if grid.has_header else []
        texts += [row[k].text for row in grid.rows]
        texts += [" " * INDENT + row[k].detail for row in grid.rows if row[k].detail]
        widest = max(cell_len(clip(escape_text(text))) for text in texts)
        needed += GAP + (min(widest, NARROWEST) if heading.wraps else widest)
    return needed


def _table(grid: Grid) -> RenderableType:
    from rich import box
    from rich.padding import Padding
    from rich.table import Table

    rule = 1 if grid.has_header else 0  # rich draws a rule as wide as one space between columns
    table = Table(
        box=box.SIMPLE_HEAD if grid.has_header else None,
        show_header=grid.has_header,
        show_edge=False,
        pad_edge=True,
        padding=(0, 0, 0, GAP - rule),
        header_style="bold",
        border_style="dim",
    )
    for heading in grid.headings:
        _add_column(table, heading)
    for row in grid.rows:
        table.add_row(*(_content(cell) for cell in row))
    return Padding(table, (0, 0, 0, rule), expand=False)


def _add_column(table: Table, heading: Heading) -> None:
    table.add_column(
        _content(Cell(heading.name, detail=heading.detail), indent=0),
        justify=heading.align,
        no_wrap=not heading.wraps,
        overflow="fold" if heading.wraps else "ellipsis",
    )


def _content(cell: Cell, indent: int = INDENT) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding

    text = safe(cell.text, cell.tone)
    if not cell.detail:
        return text
    return Group(text, Padding(safe(cell.detail, "quiet"), (0, 0, 0, indent), expand=False))


def _indented(text: Text) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 0, 0, GAP), pad_edge=True)
    table.add_column(overflow="fold")
    table.add_row(text)
    return table
