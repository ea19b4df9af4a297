"""Elements of a page; every string of an audited file is escaped here and nowhere else."""

from __future__ import annotations

import html

from lossaudit.rendering.grid import Cell, Grid, Heading
from lossaudit.rendering.safe_text import clip, escape_text


def text(raw: str, limit: int = 2000) -> str:
    """Any string as the content of an element or the value of an attribute."""
    return html.escape(clip(escape_text(raw), limit), quote=True)


def section(identity: str, title: str, *parts: str) -> str:
    """A titled part of the page; nothing where all parts are empty."""
    body = "\n".join(part for part in parts if part)
    if not body:
        return ""
    return f'<section id="{text(identity)}">\n<h2>{text(title)}</h2>\n{body}\n</section>'


def table(grid: Grid) -> str:
    """A grid as a table with its title as caption and its note below."""
    columns = grid.headings
    head = ""
    if grid.has_header:
        cells = "".join(_heading(h) for h in columns)
        head = f"<thead><tr>{cells}</tr></thead>\n"
    rows = "\n".join(_row(columns, row, grid.has_header) for row in grid.rows)
    note = f'<p class="note">{text(grid.note)}</p>\n' if grid.note else ""
    caption = f"<caption>{text(grid.title)}</caption>" if grid.title else ""
    return (
        f'<div class="scrolls" tabindex="0" role="region" aria-label="{text(grid.title)}">'
        f"<table>{caption}\n{head}<tbody>\n{rows}\n</tbody></table></div>\n{note}"
    )


def _heading(heading: Heading) -> str:
    detail = f"<small>{text(heading.detail)}</small>" if heading.detail else ""
    return f'<th scope="col"{_side(heading)}>{text(heading.name)}{detail}</th>'


def _row(columns: tuple[Heading, ...], row: tuple[Cell, ...], has_header: bool) -> str:
    first, *others = zip(columns, row, strict=True)
    cells = [_cell("th", first, ' scope="row"'), *(_cell("td", cell) for cell in others)]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(name: str, placed: tuple[Heading, Cell], more: str = "") -> str:
    heading, cell = placed
    detail = f"<small>{text(cell.detail)}</small>" if cell.detail else ""
    tone = f' data-tone="{cell.tone}"' if cell.tone else ""
    return f"<{name}{more}{tone}{_side(heading)}>{text(cell.text)}{detail}</{name}>"


def _side(heading: Heading) -> str:
    return ' class="number"' if heading.align == "right" else ""
