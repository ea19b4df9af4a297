"""The formula that a log follows: its weights, and what fits as well."""

from __future__ import annotations

from lossaudit.model.identification import FoundWeight, Identification
from lossaudit.rendering.grid import Cell, Grid, Heading, name_cell
from lossaudit.rendering.numbers import render_interval
from lossaudit.rendering.safe_text import clip, escape_text

MOST_NAMED = 5
LONGEST_FORMULA = 400


def found_weights_grid(found: Identification) -> Grid | None:
    """One row per term: the weight, all weights that no row refutes, and what they say."""
    if not found.weights:
        return None
    headings = (
        Heading("term"),
        Heading("weight", "right"),
        Heading("certified", "right", drop=1),
        Heading("which says", wraps=True, drop=2),
    )
    rows = tuple(_row(term, weight) for term, weight in found.weights.items())
    title = f"Formula of {escape_text(found.total)}, from {found.rows:,} rows"
    return Grid(title, headings, rows, _left_out(found))


def runners_up_grid(found: Identification) -> Grid | None:
    """What fits as well, or says the same."""
    if not found.runners_up:
        return None
    headings = (Heading("formula", wraps=True), Heading("how it stands", wraps=True))
    rows = tuple(
        (Cell(clip(r.formula, LONGEST_FORMULA), "strong"), Cell(r.reason)) for r in found.runners_up
    )
    return Grid("Also", headings, rows)


def _row(term: str, weight: FoundWeight) -> tuple[Cell, ...]:
    says = Cell("the only plain number in it", "good")
    if not weight.settled:
        says = Cell("other plain numbers lie in it, or it is too wide", "unsure")
    interval = Cell(render_interval(weight.low, weight.high))
    return name_cell(term), Cell(f"{weight.weight:.10g}"), interval, says


def _left_out(found: Identification) -> str:
    """The columns that were no candidates, reason by reason."""
    reasons: dict[str, list[str]] = {}
    for tag, reason in found.left_out.items():
        reasons.setdefault(reason, []).append(tag)
    texts = []
    for reason, tags in reasons.items():
        named = ", ".join(tags[:MOST_NAMED])
        more = f" and {len(tags) - MOST_NAMED} more" if len(tags) > MOST_NAMED else ""
        texts.append(f"{named}{more} ({reason})")
    return f"No candidates: {'; '.join(texts)}." if texts else ""
