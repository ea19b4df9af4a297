"""Certified weights beside the declared ones and those of the rivals."""

from __future__ import annotations

import math

from lossaudit.model.result import Result, Witness
from lossaudit.rendering.html.description import (
    GOOD,
    NEUTRAL,
    PALETTE,
    Chart,
    Description,
    Row,
    described,
    scale,
)
from lossaudit.rendering.numbers import render_number
from lossaudit.rendering.safe_text import escape_text, shorten_middle
from lossaudit.rendering.weights import linear_weights

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


def weights_chart(witness: Witness, result: Result, name: str) -> Chart | None:
    """Each certified interval relative to its declared weight, with the rivals' weights."""
    rows, others = _weight_rows(witness, result)
    if not rows:
        return None
    ratios = [r[k] for r in rows for k in ("low", "high")] + [r["at"] for r in others] + [0.0, 1.0]
    wide = max(abs(r) for r in ratios) > 10
    x = {
        "field": "low",
        "type": "quantitative",
        "title": "weight / declared weight",
        "scale": {"type": "symlog" if wide else "linear", "zero": True, "padding": 16},
    }
    y = {"field": "term", "type": "nominal", "title": None, "sort": None}
    tips = [{"field": f, "type": "nominal"} for f in ("term", "declared", "certified")]
    layers: list[Description] = [
        {
            "mark": {"type": "rule", "strokeDash": [4, 3], "color": NEUTRAL},
            "encoding": {"x": {"datum": 1, "type": "quantitative"}},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 9, "strokeCap": "round", "color": GOOD},
            "encoding": {"x": x, "x2": {"field": "high"}, "y": y, "tooltip": tips},
        },
    ]
    if others:
        layers.append(_rivals(others, x | {"field": "at"}, y))
    about = " ".join(f"{r['term']}: declared {r['declared']}, {r['certified']}." for r in rows)
    title = "Certified weights (bars), relative to the declared ones"
    return Chart(name, title, about, described(rows, 40 * len(rows), {"layer": layers}))


def _rivals(others: list[Row], x: Description, y: Description) -> Description:
    """One point for each weight that a rival gives a term."""
    names = sorted({row["rival"] for row in others})
    return {
        "data": {"values": others},
        "mark": {"type": "point", "size": 90, "strokeWidth": 2},
        "encoding": {
            "x": x,
            "y": y,
            "color": scale("rival", names, PALETTE[1:]),
            "shape": scale("rival", names, SHAPES),
            "tooltip": [{"field": f, "type": "nominal"} for f in ("term", "rival", "weight")],
        },
    }


def _weight_rows(witness: Witness, result: Result) -> tuple[list[Row], list[Row]]:
    rows, others = [], []
    rivals = {name: linear_weights(formula) for name, formula in result.spec.rivals}
    for raw, weight in witness.weights.items():
        if not weight.declared or weight.low is None or weight.high is None:
            continue
        term = shorten_middle(escape_text(raw), 28)
        ends = sorted((weight.low / weight.declared, weight.high / weight.declared))
        if not all(math.isfinite(end) for end in ends):
            continue
        rows.append(
            {
                "term": term,
                "low": ends[0],
                "high": ends[1],
                "declared": render_number(weight.declared),
                "certified": f"certified {weight.low:.7g} to {weight.high:.7g}",
            }
        )
        for name, weights in rivals.items():
            other = None if weights is None else weights.get(raw, 0.0)
            if other is not None and other != weight.declared:
                shown = shorten_middle(escape_text(name), 28)
                at = {"at": other / weight.declared, "weight": render_number(other)}
                others.append({"term": term, "rival": shown} | at)
    return rows, others
