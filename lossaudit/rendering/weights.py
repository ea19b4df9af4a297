"""Certified weights against the declared ones and those of the named rivals."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from lossaudit.model.result import NO_WEIGHTS, Result, Weight, Witness
from lossaudit.rendering.grid import Cell, Grid, Heading, Tone
from lossaudit.rendering.numbers import render_interval, render_number
from lossaudit.rendering.safe_text import escape_text, shorten_middle

_TOTAL = re.compile(r"\s*(?:`[^`]+`|[A-Za-z_]\w*)\s*=(?!=)\s*")
_NAME = r"(?:`[^`]+`|[A-Za-z_]\w*)"
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_ADDEND = re.compile(
    rf"\s*(?P<sign>[+-])?\s*(?:(?P<left>{_NUMBER})\s*\*\s*)?(?P<name>{_NAME})"
    rf"(?:\s*\*\s*(?P<right>{_NUMBER}))?\s*(?=[+-]|$)"
)


def weights_grid(witness: Witness, result: Result) -> Grid | None:
    """One row per term: declared weight, certified interval, and what the interval says."""
    if not witness.weights:
        return None
    rivals = {name: linear_weights(formula) for name, formula in result.spec.rivals}
    headings = (
        Heading("term"),
        Heading("declared", "right", drop=1),
        Heading("certified", "right"),
        Heading("which says", wraps=True),
    )
    refuted = frozenset(r.name for r in witness.rivals if r.refuted_rows)
    unfit = witness.weights_note.startswith(NO_WEIGHTS)
    rows = tuple(
        _row(term, weight, rivals, refuted, unfit) for term, weight in witness.weights.items()
    )
    return Grid("Certified weights", headings, rows, witness.weights_note)


def linear_weights(formula: str) -> dict[str, float] | None:
    """The weights of a plain sum of `number*name` addends; None for any other formula.

    Reports know no spec, so this reads only the form that needs no grammar, and no other.

    Example:
        >>> linear_weights("loss_lip + 2.0*loss_latents")
        {'loss_lip': 1.0, 'loss_latents': 2.0}
    """
    start = _TOTAL.match(formula)
    position = start.end() if start else 0
    weights: dict[str, float] = {}
    while position < len(formula):
        addend = _ADDEND.match(formula, position)
        if addend is None or (weights and not addend["sign"]):
            return None
        value = float(addend["left"] or 1) * float(addend["right"] or 1)
        name = addend["name"].strip("`")
        weights[name] = weights.get(name, 0.0) + (-value if addend["sign"] == "-" else value)
        position = addend.end()
    return weights or None


def _row(
    term: str,
    weight: Weight,
    rivals: Mapping[str, dict[str, float] | None],
    refuted: Collection[str],
    unfit: bool,
) -> tuple[Cell, ...]:
    says, tone = _statement(term, weight, rivals, refuted)
    if unfit:
        says, tone = "nothing: no weights fit", "unsure"
    return (
        Cell(shorten_middle(escape_text(term), 28)),
        Cell(render_number(weight.declared)),
        Cell(render_interval(weight.low, weight.high)),
        Cell(says, tone),
    )


def _statement(
    term: str,
    weight: Weight,
    rivals: Mapping[str, dict[str, float] | None],
    refuted: Collection[str],
) -> tuple[str, Tone]:
    """What the interval says about the declared weight and about each rival's other weight.

    A rival whose weight is inside may be refuted all the same: few rows leave wide intervals, in
    which the other weights are free, and refute a formula whose weights are all fixed.
    """
    if weight.low is None or weight.high is None:
        return "nothing: cannot be told apart", "unsure"
    is_inside = weight.low <= weight.declared <= weight.high
    holds: list[str] = []
    alone: list[str] = []
    excludes: list[str] = []
    for name, weights in rivals.items():
        other = None if weights is None else weights.get(term, 0.0)
        if other is None or other == weight.declared:
            continue
        which = holds if weight.low <= other <= weight.high else excludes
        which = alone if which is holds and is_inside and name in refuted else which
        which.append(f"{name} ({render_number(other)})")
    said = {
        "cannot be told from" if is_inside else "holds": holds,
        "alone does not exclude": alone,
        "excludes": excludes,
    }
    parts = ["declared weight inside" if is_inside else "excludes declared"]
    parts += [f"{what} {', '.join(names)}" for what, names in said.items() if names]
    tone: Tone = "bad" if not is_inside else "unsure" if holds else "good"
    return "; ".join(parts), tone
