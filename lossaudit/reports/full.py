"""The whole audit for a reader at a terminal: verdict, agreement, evidence, findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lossaudit.model.finding import Finding, Severity, Verdict
from lossaudit.model.report import Page, Report
from lossaudit.model.result import ExitCode, Result, Witness
from lossaudit.model.steps import steps_in_words
from lossaudit.rendering.agreement import agreement_grid
from lossaudit.rendering.balance_grids import course_grid, ratios_grid, shares_grid
from lossaudit.rendering.findings import also_fits, by_severity
from lossaudit.rendering.grid import Grid
from lossaudit.rendering.identification_grids import found_weights_grid, runners_up_grid
from lossaudit.rendering.other_weights import equal_grid, what_if_grid
from lossaudit.rendering.safe_text import escape_text, shorten_middle
from lossaudit.rendering.terminal import draw, draw_first, safe, terminal, written
from lossaudit.rendering.weights import weights_grid
from lossaudit.rendering.witness_grids import (
    reading_grid,
    series_grid,
    violations_grid,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

VERDICT_COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow"}
SEVERITY_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "unsure", Severity.NOTE: "cyan"}
MEANINGS = {
    ExitCode.PASS: "the declared formula holds, and no finding reaches --fail-on",
    ExitCode.FINDING: "at least one finding reaches --fail-on",
    ExitCode.USAGE: "the command line or the spec has an error",
    ExitCode.INCONCLUSIVE: "inconclusive, which is no pass; --allow-inconclusive makes it 0",
    ExitCode.DAMAGED: "an input is damaged or refused; what could be read was audited",
    ExitCode.BUG: "a bug in lossaudit",
}


def render(result: Result, page: Page) -> str:
    """Every section that has content, in the order in which a reader asks for them."""
    console = terminal(page)
    _draw_headline(console, result)
    if not _is_balance(result) and not _is_identification(result):
        _draw_agreement(console, result)
    for witness in result.witnesses:
        _draw_witness(console, witness, result)
    _draw_findings(console, result)
    _draw_skipped(console, result)
    console.print(safe(f"exit code {int(result.exit_code)}: {_meaning(result)}", "bold"))
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
        label = "found" if _is_identification(result) else "declared"
        body.add_row(safe(label, "quiet"), safe(result.spec.formula))
    body.add_row(safe("because", "quiet"), safe(result.reason))
    title = safe(f"lossaudit {shorten_middle(escape_text(result.version), 20)}".strip())
    console.print(Panel(body, title=title, title_align="left", border_style=colour, padding=(0, 1)))
    console.print()


def _draw_agreement(console: Console, result: Result) -> None:
    if result.witnesses:
        grid = agreement_grid(result, console.width)
        draw_first(console, grid.unfolded(), grid, grid.transposed())


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
    for grid in _grids(witness, result, console.width):
        if grid is not None:
            draw(console, grid)


def _grids(witness: Witness, result: Result, width: int) -> Iterator[Grid | None]:
    """What one witness is asked for: its balance, its formula, or whether the formula holds."""
    if _is_balance(result):
        yield shares_grid(witness, width)
        yield course_grid(witness, width)
        yield ratios_grid(witness, width)
        yield equal_grid(witness)
        yield what_if_grid(witness, width)
    elif witness.identification is not None:
        yield found_weights_grid(witness.identification)
        yield runners_up_grid(witness.identification)
        yield violations_grid(witness)
        yield reading_grid(witness)
    else:
        yield weights_grid(witness, result)
        yield violations_grid(witness)
        yield shares_grid(witness, width)
        yield series_grid(witness, max(8, min(width - 50, 60)))
        yield reading_grid(witness)


def _is_balance(result: Result) -> bool:
    return any(w.balance is not None for w in result.witnesses)


def _is_identification(result: Result) -> bool:
    return any(w.identification is not None for w in result.witnesses)


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


def _meaning(result: Result) -> str:
    if _is_balance(result) and result.exit_code is ExitCode.INCONCLUSIVE:
        return "no shares could be given; --allow-inconclusive makes it 0"
    if _is_balance(result) and result.exit_code is ExitCode.PASS:
        shown = any(w.shares for w in result.witnesses)
        return f"{'' if shown else 'no '}shares are given, and no finding reaches --fail-on"
    if _is_identification(result) and result.exit_code is ExitCode.PASS:
        return "one formula is established, and no finding reaches --fail-on"
    if result.exit_code is ExitCode.PASS and result.verdict is Verdict.INCONCLUSIVE:
        return "inconclusive, allowed by --allow-inconclusive"
    if result.exit_code is ExitCode.PASS and result.verdict is Verdict.FAIL:
        return "the declared formula is refuted, but no finding reaches --fail-on"
    return MEANINGS[result.exit_code]


REPORT = Report("full", "Everything, for a reader at a terminal.", render)
