"""The terms of a run: what each adds to the total, and which share of it."""

from __future__ import annotations

import math

from lossaudit.model.result import Witness
from lossaudit.rendering.html.description import (
    PALETTE,
    Chart,
    Description,
    Row,
    described,
    scale,
    zoom,
)
from lossaudit.rendering.html.points import gradient_rows, has_weights, ordered_places, term_rows
from lossaudit.rendering.numbers import render_percent

SHOWN = {"filter": "indexof(hidden, datum.term) < 0"}
"""Only terms whose box is ticked; the page's script sets `hidden`."""

TIPS = [
    {"field": "step", "type": "quantitative"},
    {"field": "term", "type": "nominal"},
    {"field": "value", "type": "quantitative", "format": ".6~g"},
    {"field": "share", "type": "quantitative", "format": ".1%"},
]


def term_charts(witness: Witness, number: int) -> list[Chart]:
    """The weighted terms with the total, and their shares of it, over the run."""
    rows, names = term_rows(witness)
    if len({row["step"] for row in rows}) < 2:
        return []
    axis, steps = ordered_places(witness)
    shared = {
        "x": {"field": "step", "type": "quantitative", "title": axis, "scale": {"zero": False}},
        "color": scale("term", names, PALETTE),
        "order": {"field": "order"},
        "tooltip": TIPS,
    }
    totals = zip(steps, witness.series.get("total", []), strict=False)
    finite = [{"step": step, "total": total} for step, total in totals if math.isfinite(total)]
    what = "Weighted terms" if has_weights(witness) else "Terms"
    values = _values(what, shared, finite, stacks=all(row["value"] >= 0 for row in rows))
    about = _shares_in_words(rows, names)
    title = f"{what} and the logged total (dashed)"
    toggles = tuple(names)
    return [
        Chart(f"terms-{number}", title, about, _hiding(rows, 240, values), toggles, zooms=True),
        Chart(
            f"shares-{number}",
            "Shares of the terms",
            about,
            _hiding(rows, 200, [_shares(shared)]),
            toggles,
            zooms=True,
        ),
    ]


def gradient_chart(witness: Witness, number: int) -> Chart | None:
    """How strongly each weighted term pulls at the network over the run, where it is known."""
    rows, names = gradient_rows(witness)
    if len({row["step"] for row in rows}) < 2:
        return None
    shared = {
        "x": {"field": "step", "type": "quantitative", "title": "step", "scale": {"zero": False}},
        "color": scale("term", names, PALETTE),
        "order": {"field": "order"},
        "tooltip": [tip for tip in TIPS if tip["field"] != "value"],
    }
    title = "Shares of the gradients"
    layers = [_shares(shared, "share of the sum of norms")]
    about = _shares_in_words(rows, names)
    drawn = _hiding(rows, 200, layers)
    return Chart(f"gradients-{number}", title, about, drawn, tuple(names), zooms=True)


def _values(what: str, shared: Description, totals: list[Row], stacks: bool) -> list[Description]:
    """Terms upon one another, or beside one another where some are negative; and the total."""
    value = {"field": "value", "type": "quantitative", "title": what.lower()}
    mark = {"type": "area", "opacity": 0.8} if stacks else {"type": "line"}
    return [
        {
            "transform": [SHOWN],
            "params": [zoom()],
            "mark": mark,
            "encoding": shared | {"y": value | {"stack": "zero" if stacks else None}},
        },
        {
            "data": {"values": totals},
            "mark": {"type": "line", "color": "#111417", "strokeWidth": 1.6, "strokeDash": [5, 2]},
            "encoding": {"x": shared["x"], "y": value | {"field": "total"}},
        },
    ]


def _shares(shared: Description, title: str = "share of the sum of sizes") -> Description:
    y = {
        "field": "share",
        "type": "quantitative",
        "stack": "zero",
        "title": title,
        "axis": {"format": ".0%"},
        "scale": {"domain": [0, 1]},
    }
    return {
        "transform": [SHOWN],
        "params": [zoom()],
        "mark": {"type": "area", "opacity": 0.8},
        "encoding": shared | {"y": y},
    }


def _hiding(rows: list[Row], height: int, layers: list[Description]) -> Description:
    hidden = [{"name": "hidden", "value": []}]
    return described(rows, height, {"layer": layers}) | {"params": hidden}


def _shares_in_words(rows: list[Row], names: list[str]) -> str:
    """The shares at both ends of the run."""
    pairs = zip(rows[: len(names)], rows[-len(names) :], strict=True)
    parts = [
        f"{a['term']} from {render_percent(a['share'])} to {render_percent(b['share'])}"
        for a, b in pairs
    ]
    return f"From the first to the last point shown: {', '.join(parts)}."
