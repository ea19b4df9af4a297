"""Text and grids as GitHub's and GitLab's Markdown, in which audited text means nothing.

A name is a code span, so that no mention, link, reference, HTML or emphasis in it takes effect; a
sentence has its punctuation escaped. A pipe is an entity, since it would end a table's cell.
"""

from __future__ import annotations

import re

from lossaudit.rendering.grid import Cell, Grid, Heading
from lossaudit.rendering.safe_text import clip, escape_text

_LITERAL = re.compile(
    r"`(?P<quoted>[^`]+)`|(?<![\w.])[+-]?\d+\.\d{7,}(?:e[+-]?\d+)?\b"
    r"|\b(?=[a-f]*[0-9])[0-9a-f]{7,64}\b"
)
"""What stands in backquotes, and digests and long numbers: GitHub links what may be a commit's."""

_PLAIN = re.compile(r"[^`|\\]*")
_BREAK = "<!-- -->"
"""Parts text without showing: `@name` and `#1` would be a mention and a reference otherwise."""

_ENTITIES = {"|": "&#124;", "<": "&lt;", ">": "&gt;", "&": "&amp;"}
_SPECIAL = re.compile(r"[\\`*_\[\]~$]|:(?=//|[\w+-]+:)|(?<=www)\.|(?<=WWW)\.")


def code(text: str, limit: int = 400) -> str:
    """A name, path or formula, literally."""
    shown = clip(escape_text(text), limit)
    if not shown.strip():
        return ""
    if _PLAIN.fullmatch(shown) and shown == shown.strip():
        return f"`{shown}`"
    inner = "".join(c if c.isalnum() or c in " -/," else f"&#{ord(c)};" for c in shown)
    return f"<code>{inner}</code>"


def prose(text: str, limit: int = 2000) -> str:
    """A sentence; what stands in backquotes in it is code."""
    shown, done, parts = clip(escape_text(text), limit), 0, []
    for match in _LITERAL.finditer(shown):
        parts += [_escaped(shown[done : match.start()]), code(match["quoted"] or match[0], limit)]
        done = match.end()
    return "".join([*parts, _escaped(shown[done:])])


def table(grid: Grid, code_columns: tuple[int, ...] = ()) -> tuple[list[str], list[str]]:
    """A grid's header lines, and its rows, one line each.

    Args:
        grid: any.
        code_columns: those whose text is a name or a formula.
    """
    if grid.has_header:
        head = "| " + " | ".join(_heading(h) for h in grid.headings) + " |"
    else:
        head = "| " + " | ".join(" " for _ in grid.headings) + " |"
    rule = "|" + "|".join(" ---: " if h.align == "right" else " --- " for h in grid.headings) + "|"
    rows = [
        "| " + " | ".join(_cell(c, k in code_columns) for k, c in enumerate(row)) + " |"
        for row in grid.rows
    ]
    return [head, rule], rows


def _heading(heading: Heading) -> str:
    detail = f" {code(heading.detail)}" if heading.detail else ""
    return (prose(heading.name) + detail).strip() or " "


def _cell(cell: Cell, is_code: bool) -> str:
    text = code(cell.text) if is_code else prose(cell.text)
    detail = f"<br>{code(cell.detail)}" if cell.detail else ""
    strong = cell.tone in ("strong", "bad") and text and not is_code
    return (f"**{text}**" if strong else text) + detail or " "


def _escaped(text: str) -> str:
    text = re.sub("[|<>&]", lambda m: _ENTITIES[m[0]], text)
    text = _SPECIAL.sub(lambda m: f"\\{m[0]}", text)
    text = text.replace("@", f"@{_BREAK}")
    text = re.sub(r"(?<![&\w])#(?=\d)|(?<=\w)#(?=\d)", f"#{_BREAK}", text)
    text = re.sub(r"(?i)\bGH-(?=\d)", f"GH{_BREAK}-", text)
    return re.sub(r"^(\s*)([-+>#]|\d+[.)])(?=\s|$)", r"\1\\\2", text)
