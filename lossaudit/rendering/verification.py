"""The outcome of `lossaudit verify` for a reader at a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from lossaudit.model.difference import Difference, Kind
from lossaudit.model.report import Page
from lossaudit.model.result import Result
from lossaudit.rendering.grid import Cell, Grid, Heading, Tone
from lossaudit.rendering.terminal import draw, safe, terminal, written

MOST_SHOWN = 12
"""Differences of one kind; the JSON has them all."""

TITLES: dict[Kind, tuple[str, Tone]] = {
    Kind.INPUT: ("Inputs that changed", "bad"),
    Kind.SPEC: ("Lines of the spec that changed", "bad"),
    Kind.VERDICT: ("Verdict", "bad"),
    Kind.RESULT: ("What the audit says now", "bad"),
    Kind.WITHIN: ("Recomputed numbers within each other's bounds", "good"),
    Kind.ENVIRONMENT: ("Environment", "quiet"),
}


def render_verification(
    stored: Result, command: Sequence[str], differences: Sequence[Difference], page: Page
) -> str:
    """Whether the stored result still holds, in one line; then what differs, kind by kind."""
    console = terminal(page)
    console.print(safe(headline(stored, differences), "bold"))
    console.print(safe(f"repeated: {shlex.join(command)}", "quiet"))
    console.print()
    for kind in Kind:
        found = [d for d in differences if d.kind is kind]
        if found:
            draw(console, _grid(kind, found))
    return written(console)


def headline(stored: Result, differences: Sequence[Difference]) -> str:
    """The answer in one sentence."""
    against = [d for d in differences if d.contradicts]
    verdict = f"{stored.verdict.value} {stored.spec.name}"
    if not against:
        bounded = any(d.kind is Kind.WITHIN for d in differences)
        how = "within the stated bounds" if bounded else "identical"
        return f"✓ verified: {verdict}, {how}"
    changed = [d for d in against if d.kind is Kind.INPUT]
    count = len(changed)
    inputs = f"{count} input{'s' * (count > 1)} changed" if count else "all inputs are the same"
    verdicts = [d for d in against if d.kind is Kind.VERDICT and d.where == "verdict"]
    now = f"now {verdicts[0].now}" if verdicts else "the verdict is the same"
    return f"✗ not verified: {verdict} then, {now}; {inputs}"


def _grid(kind: Kind, found: Sequence[Difference]) -> Grid:
    title, tone = TITLES[kind]
    headings = (
        Heading("where", wraps=True),
        Heading("was", wraps=True),
        Heading("now", wraps=True),
    )
    rows = tuple(
        (Cell(d.where), Cell(d.was or "-"), Cell(d.now or "-", tone)) for d in found[:MOST_SHOWN]
    )
    more = len(found) - len(rows)
    return Grid(title, headings, rows, f"and {more:,} more; --format json has all" if more else "")
