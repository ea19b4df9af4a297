"""A witness's series as rows for charts: finite numbers, few terms, plain names."""

from __future__ import annotations

import math
from itertools import pairwise

from lossaudit.model.result import Witness
from lossaudit.model.steps import NO_STEP
from lossaudit.rendering.html.description import Row
from lossaudit.rendering.safe_text import escape_text, shorten_middle
from lossaudit.rendering.weights import linear_weights
from lossaudit.rendering.witness_grids import NOT_TERMS

MOST_TERMS = 8
OTHERS = "other terms"
LONGEST_NAME = 40
SMALLEST, LARGEST = 1e-300, 1e300
"""Beyond them a logarithmic axis has no room for its margins."""


def places(witness: Witness) -> tuple[str, list[float]]:
    """What the horizontal axis shows, and each point's place on it."""
    steps = witness.series.get("step", [])
    if any(step == NO_STEP or not math.isfinite(step) for step in steps):
        return "rows in file order", [float(k) for k in range(len(steps))]
    return "step", list(steps)


def ordered_places(witness: Witness) -> tuple[str, list[float]]:
    """As `places`, but never two points at one place, since stacks add up what stands there."""
    axis, steps = places(witness)
    if all(a < b for a, b in pairwise(steps)):
        return axis, steps
    return "rows in file order", [float(k) for k in range(len(steps))]


def residual_rows(witness: Witness) -> list[Row]:
    """Per point: place, |residual|, tolerance, and whether it refutes the formula.

    Zeros stand at a tenth of the smallest number, and what is not finite at ten times the largest,
    since the axis is logarithmic.
    """
    series = witness.series
    residuals, tolerances = series.get("residual", []), series.get("tolerance", [])
    sizes = [abs(v) for v in [*residuals, *tolerances] if math.isfinite(v) and v]
    if not sizes:
        return []
    low, high = max(min(sizes) / 10, SMALLEST), min(max(sizes), LARGEST) * 10
    _, steps = places(witness)
    columns = zip(steps, residuals, tolerances, series["total"], series["recomputed"], strict=True)
    return [
        {
            "step": step,
            "size": _placed(abs(residual), low, high),
            "tolerance": _placed(tolerance, low, high),
            "row": _kind(residual, tolerance),
            "residual": _written(residual),
            "allowed": _written(tolerance),
            "total": _written(total),
            "recomputed": _written(recomputed),
            "excess": _excess(residual, tolerance),
        }
        for step, residual, tolerance, total, recomputed in columns
    ]


def term_rows(witness: Witness) -> tuple[list[Row], list[str]]:
    """Per point and term the weighted value and its share; and the terms, largest first.

    Where the weights are no plain numbers the terms are shown as logged.
    """
    weighted = _weighted(witness)
    names = list(weighted)
    _, steps = ordered_places(witness)
    rows = []
    for k, step in enumerate(steps):
        values = {name: weighted[name][k] for name in names}
        if not all(math.isfinite(v) for v in values.values()):
            continue
        whole = sum(abs(v) for v in values.values())
        rows += [
            {
                "step": step,
                "term": name,
                "order": order,
                "value": value,
                "share": abs(value) / whole if whole else 0.0,
            }
            for order, (name, value) in enumerate(values.items())
        ]
    return rows, names


def gradient_rows(witness: Witness) -> tuple[list[Row], list[str]]:
    """Per point and term the share of the gradients; and the terms.

    Terms that `term_rows` shows come first and in its order, so that each has one colour on a page.
    Of many terms the smallest are added up.
    """
    found = witness.gradients
    if found is None or not all(a < b for a, b in pairwise(found.steps)):
        return [], []
    columns = {n: list(c) for n, c in found.courses.items() if all(math.isfinite(v) for v in c)}
    named = _largest_named(columns)
    known = [name for name in term_rows(witness)[1] if name in named]
    shown = {name: named[name] for name in dict.fromkeys([*known, *named])}
    rows = [
        {"step": step, "term": name, "order": order, "share": shown[name][k]}
        for k, step in enumerate(found.steps)
        for order, name in enumerate(shown)
    ]
    return rows, list(shown)


def has_weights(witness: Witness) -> bool:
    """Whether the terms of `term_rows` are multiplied by their weights."""
    return bool(_weights(witness))


def _weights(witness: Witness) -> dict[str, float]:
    declared = {name: weight.declared for name, weight in witness.weights.items()}
    return declared or linear_weights(witness.formula) or {}


def _weighted(witness: Witness) -> dict[str, list[float]]:
    """Weighted terms by their shown names, the largest first; the smallest are added up."""
    weights = _weights(witness)
    terms = {n: v for n, v in witness.series.items() if n not in NOT_TERMS}
    scaled = {n: [weights.get(n, 1.0) * v for v in column] for n, column in terms.items()}
    return _largest_named(scaled)


def _largest_named(columns: dict[str, list[float]]) -> dict[str, list[float]]:
    """Columns by their shown names, the largest first; the smallest of many are added up."""
    ranked = sorted(columns, key=lambda n: -sum(abs(v) for v in columns[n] if math.isfinite(v)))
    shown = ranked if len(ranked) <= MOST_TERMS + 1 else ranked[:MOST_TERMS]
    named = {_unique(n, shown): columns[n] for n in shown}
    rest = [columns[n] for n in ranked[len(shown) :]]
    return named | ({OTHERS: [sum(at) for at in zip(*rest, strict=True)]} if rest else {})


def _unique(name: str, among: list[str]) -> str:
    """A name short enough for a legend, and no other's."""
    short = shorten_middle(escape_text(name), LONGEST_NAME)
    alike = [n for n in among if shorten_middle(escape_text(n), LONGEST_NAME) == short]
    return short if len(alike) < 2 else f"{short} ({alike.index(name) + 1})"


def _placed(value: float, low: float, high: float) -> float:
    return min(max(value, low), high) if math.isfinite(value) else high


def _kind(residual: float, tolerance: float) -> str:
    if not math.isfinite(residual):
        return "not finite"
    return "refutes" if abs(residual) > tolerance else "within tolerance"


def _excess(residual: float, tolerance: float) -> str:
    if not (math.isfinite(residual) and tolerance > 0):
        return "not finite" if residual else "0"
    return f"{abs(residual) / tolerance:.3g} x"


def _written(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else "not finite"
