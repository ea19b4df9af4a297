"""Residual against tolerance over the run: where the formula holds, and from when it does not."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lossaudit.model.finding import Finding, Severity
from lossaudit.model.result import Result, Witness
from lossaudit.rendering.html.description import (
    BAD,
    GOOD,
    NEUTRAL,
    Chart,
    Description,
    Row,
    described,
    scale,
    zoom,
)
from lossaudit.rendering.html.points import places, residual_rows

KINDS = {
    "within tolerance": (GOOD, "circle"),
    "refutes": (BAD, "triangle-up"),
    "not finite": ("#8a2be2", "cross"),
}


def residual_chart(witness: Witness, result: Result, name: str) -> Chart | None:
    """|residual| against what rounding explains, on a logarithmic axis, with the worst labelled."""
    rows = residual_rows(witness)
    if len(rows) < 2:
        return None
    axis, _ = places(witness)
    worst = max(rows, key=lambda row: row["size"] / row["tolerance"])
    low, high = _range(row[key] for row in rows for key in ("size", "tolerance"))
    x = {"field": "step", "type": "quantitative", "title": axis, "scale": {"zero": False}}
    y = {
        "field": "size",
        "type": "quantitative",
        "title": "|residual|",
        "scale": {"type": "log", "domain": [low, high], "nice": False, "clamp": True},
        "axis": {"format": "~e", "values": _powers(low, high)},
    }
    layers = [
        *_allowed(x, y | {"field": "tolerance"}, low),
        _points(rows, x, y),
        _label(worst, x, y, f"worst: {axis} {worst['step']:,.0f}, {worst['excess']}"),
        *(_change(step, x) for step in _changes(result, witness)),
    ]
    about = (
        f"{witness.decided:,} decided rows, {witness.violations:,} of them refute the formula. The "
        f"worst shown is at {axis} {worst['step']:,.0f}: a residual of {worst['residual']} where "
        f"rounding explains {worst['allowed']}."
    )
    title = "Residual against what rounding explains"
    return Chart(name, title, about, described(rows, 260, {"layer": layers}), zooms=True)


def _allowed(x: Description, tolerance: Description, low: float) -> list[Description]:
    """What rounding explains: a line, and the area from it down to `low`."""
    return [
        {
            "mark": {"type": "area", "opacity": 0.14, "color": NEUTRAL, "interpolate": "linear"},
            "encoding": {"x": x, "y": tolerance, "y2": {"datum": low}},
        },
        {
            "mark": {"type": "line", "color": NEUTRAL, "strokeWidth": 1.5},
            "encoding": {"x": x, "y": tolerance},
        },
    ]


def _points(rows: list[Row], x: Description, y: Description) -> Description:
    """One point for each row, coloured and shaped by its kind."""
    kinds = [kind for kind in KINDS if any(row["row"] == kind for row in rows)]
    looks = [KINDS[kind] for kind in kinds]
    tips = ["step", "total", "recomputed", "residual", "allowed", "excess"]
    return {
        "params": [zoom()],
        "mark": {"type": "point", "filled": True, "size": 30, "opacity": 0.85},
        "encoding": {
            "x": x,
            "y": y,
            "color": scale("row", kinds, [colour for colour, _ in looks]),
            "shape": scale("row", kinds, [shape for _, shape in looks]),
            "tooltip": [{"field": tip, "type": "nominal"} for tip in tips],
        },
    }


def _label(row: Row, x: Description, y: Description, words: str) -> Description:
    """Words above one point."""
    return {
        "data": {"values": [row | {"words": words}]},
        "mark": {"type": "text", "dy": -12, "fontSize": 12, "fontWeight": "bold", "limit": 400},
        "encoding": {"x": x, "y": y, "text": {"field": "words"}},
    }


def _change(step: float, x: Description) -> Description:
    return {
        "data": {"values": [{"step": step}]},
        "mark": {"type": "rule", "color": BAD, "strokeDash": [2, 3], "strokeWidth": 1.5},
        "encoding": {"x": x},
    }


def _changes(result: Result, witness: Witness) -> list[float]:
    """Steps at which something begins that refutes the formula, where it is not the first."""
    if places(witness)[0] != "step":
        return []
    steps = witness.series["step"]

    def inside(finding: Finding) -> bool:
        mine = not finding.witness or finding.witness == witness.source
        return mine and finding.severity is Severity.ERROR and finding.steps is not None

    starts = {float(f.steps[0]) for f in result.findings if f.steps and inside(f)}
    return sorted(s for s in starts if min(steps) < s <= max(steps))


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten between two numbers, every second or third where there are many."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    return [10.0**k for k in range(first, last + 1, 1 + (last - first) // 8)]


def _range(values: Iterable[float]) -> tuple[float, float]:
    sizes = list(values)
    return min(sizes) / 1.5, max(sizes) * 4
