"""What one witness saw: violations, series, and how its source was read."""

from __future__ import annotations

import math
from collections.abc import Callable

from lossaudit.model.result import Violation, Witness
from lossaudit.model.steps import NO_STEP
from lossaudit.rendering.grid import Cell, Grid, Heading, name_cell
from lossaudit.rendering.numbers import (
    decimals_for,
    render_excess,
    render_number,
    render_residual,
    render_tolerance,
    render_total,
)
from lossaudit.rendering.safe_text import escape_text, shorten_middle
from lossaudit.rendering.sparkline import render_sparkline

MOST_VIOLATIONS = 5
LONGEST_PATH = 160
NOT_TERMS = ("step", "total", "recomputed", "residual", "tolerance")
"""Keys of a series that are no terms."""


def violations_grid(witness: Witness) -> Grid | None:
    """The first rows that refute the declared formula."""
    shown = witness.first_violations[:MOST_VIOLATIONS]
    if not shown:
        return None
    headings = (
        Heading("step", "right"),
        Heading("where", drop=1),
        Heading("total", "right"),
        Heading("recomputed", "right", drop=3),
        Heading("residual", "right"),
        Heading("tolerance", "right", drop=2),
        Heading("excess", "right"),
    )
    rows = tuple(_violation_row(v, witness.source) for v in shown)
    more = witness.violations - len(shown)
    note = f"and {more:,} more" if more > 0 else ""
    return Grid("First violations", headings, rows, note)


def series_grid(witness: Witness, line_width: int) -> Grid | None:
    """The total and each term over the run, as sparklines."""
    series = witness.series
    names = [n for n in ("total", *series) if n in series and n not in NOT_TERMS[2:]]
    names = [n for n in dict.fromkeys(names) if n != "step"]
    rows = []
    for name in names:
        line = render_sparkline(series[name], line_width)
        if line:
            rows.append((name_cell(name), *_ends(series[name]), Cell(line)))
    excess = _excess_series(witness)
    if excess and (line := render_sparkline(excess, line_width)):
        rows.append((Cell("excess"), *_ends(excess, render_excess), Cell(line)))
    headings = (
        Heading("name"),
        Heading("first", "right", drop=2),
        Heading("last", "right", drop=1),
        Heading("each scaled to its own range"),
    )
    return Grid("Over the run", headings, tuple(rows)) if rows else None


def reading_grid(witness: Witness) -> Grid:
    """How the source was read: file, reader, counts, and the resolution of each column."""
    file = shorten_middle(escape_text(witness.source), LONGEST_PATH)
    pairs = [("file", file), ("reader", witness.reader)]
    pairs += [("sha256", _digest(witness.sha256)), ("records", "")]
    if witness.records or witness.rows:
        pairs[-1] = ("records", _counts(witness))
    ranked = sorted(witness.undecided.items(), key=lambda item: (-item[1], item[0]))
    pairs += [("undecided", f"{count:,}: {reason}") for reason, count in ranked]
    pairs += _column_pairs(witness)
    rows = tuple((Cell(key, "quiet"), Cell(value)) for key, value in pairs if value)
    headings = (Heading("", wraps=False), Heading("", wraps=True))
    return Grid(f"How the {witness.kind} was read", headings, rows, has_header=False)


def _digest(sha256: str) -> str:
    shown = escape_text(sha256)
    return shown if len(shown) <= 16 else f"{shown[:16]}…"


def _violation_row(violation: Violation, source: str) -> tuple[Cell, ...]:
    decimals = decimals_for(violation.residual, violation.tolerance)
    return (
        Cell("none" if violation.step == NO_STEP else f"{violation.step:,}"),
        Cell(_place(violation, source)),
        Cell(render_total(violation.total, decimals)),
        Cell(render_total(violation.recomputed, decimals)),
        Cell(render_residual(violation.residual)),
        Cell(render_tolerance(violation.tolerance)),
        Cell(render_excess(violation.excess), "bad"),
    )


def _place(violation: Violation, source: str) -> str:
    """Where a row stands; the path only where it is not the witness's own."""
    place = violation.location
    if place.path != source:
        return shorten_middle(escape_text(str(place)), 28)
    if place.line is not None:
        return f"line {place.line:,}"
    if place.offset is not None:
        return f"byte {place.offset:,}"
    return f"row {place.row:,}" if place.row is not None else "file"


def _ends(values: list[float], render: Callable[[float], str] = render_number) -> tuple[Cell, Cell]:
    return Cell(render(values[0])), Cell(render(values[-1]))


def _excess_series(witness: Witness) -> list[float]:
    """|residual| / tolerance over the run, where the formula is refuted: shows from when."""
    residuals, tolerances = witness.series.get("residual"), witness.series.get("tolerance")
    if not (witness.violations and residuals and tolerances):
        return []
    pairs = zip(residuals, tolerances, strict=True)
    return [abs(r) / t if t > 0 else math.nan for r, t in pairs]


def _counts(witness: Witness) -> str:
    return (
        f"{witness.records:,} read, {witness.rows:,} rows with a total, {witness.decided:,} decided"
    )


def _column_pairs(witness: Witness) -> list[tuple[str, str]]:
    """Role -> tag and how its numbers were written."""
    roles = [("total", witness.total_tag), *witness.columns.items()]
    pairs = []
    for role, tag in roles:
        if tag:
            shown = "" if tag == role else f"{shorten_middle(escape_text(tag), 40)}: "
            pairs.append((role, shown + witness.resolution.get(tag, "resolution unknown")))
    others = [tag for tag in witness.resolution if tag not in dict(roles).values()]
    pairs += [(tag, witness.resolution[tag]) for tag in others]
    return [(shorten_middle(escape_text(role), 28), text) for role, text in pairs]
