"""Manual pages and lists of names, laid out for a terminal of any width.

A page's text is as a module's docstring has it: paragraphs, `**Headings**`, lists with `- `, and
examples indented by four. Paragraphs are filled anew, examples stay as they are.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from lossaudit.model.report import Page
from lossaudit.rendering.safe_text import escape_text
from lossaudit.rendering.terminal import safe, terminal, written

WIDEST = 88
"""Longer lines of prose are hard to read, however wide the terminal is."""

INDENT = "  "
_HEADING = re.compile(r"\*\*(.+)\*\*")
_NARROWEST_SUMMARY = 24


def render_manual(title: str, text: str, page: Page) -> str:
    """One manual page.

    Args:
        title: of the page, and what kind of thing it explains.
        text: paragraphs, headings, lists and examples.
        page: its width, and whether headings may have a colour.

    Returns:
        Lines that end in one newline; only those of examples may be wider than the page.
    """
    console = terminal(page)
    width = max(20, min(page.width, WIDEST))
    console.print(safe(title, "title"))
    for line, style in _lines(text, width):
        console.print(safe(line, style), soft_wrap=True)
    return written(console)


def render_list(rows: Sequence[tuple[str, str]], page: Page) -> str:
    """Names and their summaries in two columns, the summaries wrapped beside the names."""
    console = terminal(page)
    column = max(len(escape_text(name)) for name, _ in rows) + 2
    room = max(_NARROWEST_SUMMARY, page.width - column)
    for name, summary in rows:
        first, *rest = _fill(summary, room) or [""]
        line = safe(name.ljust(column), "strong").append_text(safe(first))
        console.print(line, soft_wrap=True)
        for further in rest:
            console.print(safe(" " * column + further), soft_wrap=True)
    return written(console)


def _lines(text: str, width: int) -> Iterator[tuple[str, str]]:
    """(line, style) of every paragraph, with an empty line before each."""
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        yield "", ""
        head, _, body = paragraph.partition("\n")
        if heading := _HEADING.fullmatch(head.strip()):
            yield heading[1], "strong"
            paragraph = body
        for line in _filled(paragraph, width - len(INDENT)):
            yield INDENT + line, ""


def _filled(paragraph: str, width: int) -> Iterator[str]:
    if paragraph.startswith("    "):
        yield from (f"  {line}" for line in textwrap.dedent(paragraph).splitlines())
    elif paragraph.startswith("- "):
        for item in re.split(r"\n(?=- )", paragraph):
            bare = " " not in item[2:].strip()  # an address would leave its dash alone
            yield from [item] if bare else _fill(item, width, "  ")
    else:
        yield from _fill(paragraph, width)


def _fill(text: str, width: int, hanging: str = "") -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        width,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
