"""What all charts share: one Vega-Lite description for the static figure and for the live view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
WIDTH = 860
GOOD, BAD, NEUTRAL = "#2f7fc1", "#d1495b", "#7a828c"
PALETTE = (
    "#2f7fc1",
    "#e08e1b",
    "#3c9d6b",
    "#b65fa8",
    "#c9a227",
    "#4fb3bf",
    "#a0674b",
    "#8b87c9",
    "#7a828c",
)
"""Told apart by people with red-green blindness, and on white and on near-black."""

Description = dict[str, Any]
Row = dict[str, Any]


class Chart(Struct, frozen=True):
    """One figure.

    Attributes:
        name: an identifier, unique on the page.
        title: its heading.
        about: what it shows, in words and numbers, for those who do not see it.
        description: Vega-Lite, without a width.
        toggles: terms that may be hidden.
        zooms: whether a stretch of the horizontal axis can be shown alone.
    """

    name: str
    title: str
    about: str
    description: Description
    toggles: tuple[str, ...] = ()
    zooms: bool = False


def described(rows: list[Row], height: int, drawn: Description) -> Description:
    """A whole description: rows, size and looks around the marks that are drawn."""
    plain = {"grid": True, "gridOpacity": 0.5, "labelFontSize": 12, "titleFontSize": 12}
    config = {
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": plain,
        "legend": {"orient": "top", "title": None, "labelFontSize": 12, "labelLimit": 300},
        "background": "transparent",
    }
    return {
        "$schema": SCHEMA,
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "config": config,
    } | drawn


def zoom() -> Description:
    """Drag to move; the wheel zooms only with a key held, so that the page can be scrolled."""
    select = {
        "type": "interval",
        "encodings": ["x"],
        "zoom": "wheel![event.shiftKey || event.ctrlKey]",
    }
    return {"name": "zoom", "select": select, "bind": "scales"}


def scale(field: str, domain: Sequence[str], values: Sequence[str]) -> Description:
    """A channel that gives each name of a field its own colour or shape."""
    named = [values[k % len(values)] for k in range(len(domain))]
    return {"field": field, "type": "nominal", "scale": {"domain": list(domain), "range": named}}
