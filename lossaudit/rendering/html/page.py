"""The page around the sections: a head that allows no network, and the scripts at the end."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from lossaudit.rendering.html.description import Chart
from lossaudit.rendering.html.drawing import as_script, draw_figure, drawing_script
from lossaudit.rendering.html.markup import text


def document(title: str, body: str, has_charts: bool) -> str:
    """A whole page; nothing in it is loaded from anywhere, and no other script can run.

    Args:
        title: raw text of the window's title.
        body: the page's elements.
        has_charts: whether the scripts that draw figures are needed.
    """
    scripts = [drawing_script(), _read("page.js")] if has_charts else []
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    ends = "".join(f"<script>{script}</script>\n" for script in scripts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(title, 200)}</title>\n<style>\n{_read('page.css')}</style>\n</head>\n"
        f"<body>\n{body}\n{ends}</body>\n</html>\n"
    )


def figure(chart: Chart) -> str:
    """A chart: static drawing, description in words, and what a script needs to draw it live."""
    return (
        f'<figure data-chart="{text(chart.name)}" aria-labelledby="{chart.name}-title" '
        f'aria-describedby="{chart.name}-about">\n'
        f'<figcaption id="{chart.name}-title">{text(chart.title)}</figcaption>\n'
        f'<div class="still">{draw_figure(chart.description, chart.name)}</div>\n'
        '<div class="live" hidden></div>\n'
        f"{_controls(chart)}"
        f'<p class="about" id="{chart.name}-about">{text(chart.about)}</p>\n'
        f'<script type="application/json">{as_script(chart.description)}</script>\n'
        "</figure>"
    )


def _controls(chart: Chart) -> str:
    """What a script obeys, hidden where none runs."""
    if not chart.zooms:
        return ""
    boxes = "".join(
        f'<label><input type="checkbox" checked value="{text(term)}"> {text(term)}</label>'
        for term in chart.toggles
    )
    toggles = f"<fieldset><legend>show</legend>{boxes}</fieldset>" if boxes else ""
    ends = "".join(
        f'<label>{end} <input type="number" name="{end}" step="any"></label>'
        for end in ("from", "to")
    )
    return (
        f'<form class="controls" hidden>{toggles}'
        f"<fieldset><legend>stretch</legend>{ends}</fieldset>"
        '<button type="reset">reset</button> '
        '<span class="hint">drag to move, Shift and wheel to zoom</span></form>\n'
    )


def _read(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
