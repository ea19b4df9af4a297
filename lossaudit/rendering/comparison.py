"""The outcome of `lossaudit diff` for a reader at a terminal."""

from __future__ import annotations

from lossaudit.model.comparison import ComparedTerm, Comparison
from lossaudit.model.finding import Verdict
from lossaudit.model.report import Page
from lossaudit.model.result import Weight
from lossaudit.rendering.grid import Cell, Grid, Heading, Tone, name_cell
from lossaudit.rendering.numbers import render_interval, render_number, render_percent
from lossaudit.rendering.terminal import draw, safe, terminal, written

TONES: dict[Verdict, Tone] = {
    Verdict.PASS: "good",
    Verdict.FAIL: "bad",
    Verdict.INCONCLUSIVE: "unsure",
}


def render_comparison(comparison: Comparison, names: tuple[str, str], page: Page) -> str:
    """The verdict, and each term's weights and shares in both runs.

    Args:
        comparison: of two results.
        names: their paths.
        page: where it is shown.
    """
    console = terminal(page)
    console.print(safe(f"{comparison.verdict.value}: {comparison.reason}", "bold"))
    console.print()
    if comparison.terms:
        draw(console, _grid(comparison, names))
    return written(console)


def _grid(comparison: Comparison, names: tuple[str, str]) -> Grid:
    headings = (
        Heading("term"),
        Heading("A", "right"),
        Heading("share", "right", drop=2),
        Heading("B", "right"),
        Heading("share", "right", drop=1),
        Heading("which says", wraps=True),
    )
    rows = tuple(_row(term) for term in comparison.terms)
    return Grid("Weights", headings, rows, f"A is {names[0]}, B is {names[1]}.")


def _row(term: ComparedTerm) -> tuple[Cell, ...]:
    first, second = term.shares
    return (
        name_cell(term.name),
        _weight(term.first),
        Cell("" if first is None else render_percent(first)),
        _weight(term.second),
        Cell("" if second is None else render_percent(second)),
        Cell(term.says, TONES[term.verdict]),
    )


def _weight(weight: Weight | None) -> Cell:
    if weight is None:
        return Cell("no such term", "quiet")
    certified = render_interval(weight.low, weight.high)
    return Cell(render_number(weight.declared), detail=certified)
