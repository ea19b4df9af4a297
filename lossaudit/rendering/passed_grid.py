"""Witnesses that pass, one line each, for a page that has others to show in full."""

from __future__ import annotations

import math

from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result, Witness
from lossaudit.rendering.agreement import WITHOUT_ROWS
from lossaudit.rendering.grid import Cell, Grid, Heading
from lossaudit.rendering.numbers import render_percent
from lossaudit.rendering.safe_text import escape_text, shorten_middle
from lossaudit.rendering.sections import is_balance, is_identification
from lossaudit.rendering.short_paths import short_paths

SHOWN_IN_FULL = "Each in full: --verbose"
MOST_CAUTIONS = 3


def folded(result: Result) -> tuple[Witness, ...]:
    """Those that pass, where several witnesses were asked; one alone is always shown in full."""
    if len(result.witnesses) < 2 or is_balance(result) or is_identification(result):
        return ()
    return tuple(w for w in result.witnesses if w.verdict is Verdict.PASS)


def passed_grid(result: Result, width: int) -> Grid | None:
    """How many rows of each agree, how closely its weights are certified, and what dominates.

    Args:
        result: the whole.
        width: characters of a line, for paths.
    """
    shown = folded(result)
    if not shown:
        return None
    names = short_paths([w.source for w in result.witnesses])
    headings = (
        Heading("witness"),
        Heading("rows", "right"),
        Heading("rivals refuted", "right", drop=1),
        Heading("weights certified", "right", drop=2),
        Heading("largest share", drop=3),
    )
    rows = tuple(_row(w, names[w.source], max(20, width - 60)) for w in shown)
    cautions = dict.fromkeys(r.caution for w in shown for r in w.replays if r.caution)
    said = [*list(cautions)[:MOST_CAUTIONS], SHOWN_IN_FULL]
    return Grid("Passed", headings, rows, ". ".join(said))


def _row(witness: Witness, name: str, room: int) -> tuple[Cell, ...]:
    refuted = sum(1 for r in witness.rivals if not r.automatic and r.refuted_rows)
    named = sum(1 for r in witness.rivals if not r.automatic)
    return (
        Cell(f"{witness.kind} {shorten_middle(escape_text(name), room)}", "good"),
        Cell(f"{witness.decided:,}" if witness.kind not in WITHOUT_ROWS else ""),
        Cell(f"{refuted:,} of {named:,}" if named else "none named"),
        Cell(_closeness(witness)),
        Cell(_largest(witness)),
    )


def _closeness(witness: Witness) -> str:
    """How far from a declared weight the certified one may be, of the weight known worst."""
    if not witness.weights:
        return ""
    parts = []
    for weight in witness.weights.values():
        if weight.low is None or weight.high is None or not weight.declared:
            return "not all"
        ends = (weight.high - weight.declared, weight.declared - weight.low)
        parts.append(max(ends) / abs(weight.declared))
    if not parts or not all(math.isfinite(part) for part in parts):
        return "not all"
    return f"all within ±{100 * max(parts):.1g} %"


def _largest(witness: Witness) -> str:
    if not witness.shares:
        return ""
    name, share = max(witness.shares.items(), key=lambda item: item[1].p50)
    return f"{shorten_middle(escape_text(name), 28)} {render_percent(share.p50)}"
