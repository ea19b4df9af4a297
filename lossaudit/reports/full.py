"""The whole audit for a reader at a terminal: verdict, agreement, evidence, findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossaudit.model.finding import Finding, Severity, Verdict
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result, Witness
from lossaudit.model.steps import steps_in_words
from lossaudit.rendering.agreement import agreement_grid
from lossaudit.rendering.findings import also_fits, by_severity
from lossaudit.rendering.passed_grid import folded, passed_grid
from lossaudit.rendering.safe_text import escape_text, shorten_middle
from lossaudit.rendering.sections import (
    exit_code_meaning,
    is_balance,
    is_identification,
    witness_grids,
)
from lossaudit.rendering.surroundings_grid import brief_grid, surroundings_grid
from lossaudit.rendering.terminal import draw, draw_first, safe, terminal, written

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

VERDICT_COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow"}
SEVERITY_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "unsure", Severity.NOTE: "cyan"}


def render(result: Result, page: Page) -> str:
    """Every section that has content, in the order in which a reader asks for them."""
    console = terminal(page)
    _draw_headline(console, result)
    if not is_balance(result) and not is_identification(result):
        _draw_agreement(console, result)
    short = () if page.verbose else folded(result)
    for witness in result.witnesses:
        if witness not in short:
            _draw_witness(console, witness, result)
    if short and (passed := passed_grid(result, console.width)):
        draw(console, passed)
    _draw_findings(console, result)
    if surroundings := surroundings_grid(result) if page.verbose else brief_grid(result):
        draw(console, surroundings)
    _draw_skipped(console, result)
    console.print(safe(f"exit code {int(result.exit_code)}: {exit_code_meaning(result)}", "bold"))
    return written(console)


def _draw_headline(console: Console, result: Result) -> None:
    from rich.panel import Panel
    from rich.table import Table

    colour = VERDICT_COLOURS[result.verdict]
    body = Table.grid(padding=(0, 2, 0, 0))
    body.add_column(no_wrap=True)
    body.add_column(overflow="fold")
    body.add_row(
        safe(result.verdict.value, f"bold reverse {colour}"), safe(result.spec.name, "bold")
    )
    if result.spec.formula:
        label = "found" if is_identification(result) else "declared"
        body.add_row(safe(label, "quiet"), safe(result.spec.formula))
    body.add_row(safe("because", "quiet"), safe(result.reason))
    title = safe(f"lossaudit {shorten_middle(escape_text(result.version), 20)}".strip())
    console.print(Panel(body, title=title, title_align="left", border_style=colour, padding=(0, 1)))
    console.print()


def _draw_agreement(console: Console, result: Result) -> None:
    if result.witnesses:
        grid = agreement_grid(result, console.width)
        turned = agreement_grid(result, console.width, brief=True).transposed()
        draw_first(console, grid.unfolded(), grid, turned)


def _draw_witness(console: Console, witness: Witness, result: Result) -> None:
    from rich.rule import Rule

    colour = VERDICT_COLOURS[witness.verdict]
    path = shorten_middle(escape_text(witness.source), max(10, console.width - 32))
    title = safe(f"{witness.kind} {path}: {witness.verdict}", f"bold {colour}")
    console.print(Rule(title, align="left", style=colour))
    if not result.reason.startswith(witness.reason):
        console.print(safe(witness.reason))
    for caution in witness.balance.cautions if witness.balance is not None else ():
        console.print(safe(f"! {caution}", "unsure"))
    console.print()
    for grid in witness_grids(witness, result, console.width):
        draw(console, grid)


def _draw_findings(console: Console, result: Result) -> None:
    from rich.table import Table

    if not result.findings:
        return
    console.print(safe("Findings", "title"))
    table = Table.grid(padding=(0, 0, 0, 2), pad_edge=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in by_severity(result.findings):
        severity = safe(finding.severity.value, SEVERITY_STYLES[finding.severity])
        table.add_row(severity, _finding_text(finding, console.width))
    console.print(table)
    console.print()


def _finding_text(finding: Finding, width: int) -> Text:
    """Check, steps and place on one line; the message below; then what fits as well."""
    text = safe("")
    text.append_text(safe(shorten_middle(escape_text(finding.check), 40), "bold"))
    if finding.steps:
        text.append("  ").append_text(safe(steps_in_words(*finding.steps), "quiet"))
    place = str(finding.location or finding.witness)
    if place:
        room = max(12, width - 13 - len(text.plain))
        text.append("  ").append_text(safe(shorten_middle(escape_text(place), room), "quiet"))
    text.append("\n").append_text(safe(finding.message))
    if also := also_fits(finding):
        text.append("\n").append_text(safe(also))
    if finding.known:
        text.append("\n").append_text(safe(f"Known, so it changes no exit code: {finding.known}"))
    return text


def _draw_skipped(console: Console, result: Result) -> None:
    if not result.skipped:
        return
    console.print(safe("Skipped", "title"))
    console.print(_skipped_table(result))
    console.print()


def _skipped_table(result: Result) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 0, 0, 2), pad_edge=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check, reason in result.skipped:
        table.add_row(safe(shorten_middle(escape_text(check), 40)), safe(reason, "quiet"))
    return table


REPORT = Report("full", "Everything, for a reader at a terminal.", render)
