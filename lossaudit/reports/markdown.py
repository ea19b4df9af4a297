"""Markdown for a pull request's comment and a job's step summary.

GitHub drops a step summary of more than 1 MiB as a whole, so that this one stays below 900 KiB:
rows that have no room are left out whole, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from lossaudit.model.finding import Finding, Verdict
from lossaudit.model.places import repository_path
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result, Witness
from lossaudit.model.steps import steps_in_words
from lossaudit.rendering.agreement import agreement_grid
from lossaudit.rendering.findings import also_fits, by_severity
from lossaudit.rendering.grid import Cell, Grid, Heading
from lossaudit.rendering.markdown import code, prose, table
from lossaudit.rendering.sections import (
    exit_code_meaning,
    is_balance,
    is_identification,
    witness_grids,
)
from lossaudit.rendering.surroundings_grid import surroundings_grid

MOST_BYTES = 900 * 1024
MARGIN = 2_000
MOST_ROWS = 200
"""Of one table."""

WIDTH = 100
MARKS = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.INCONCLUSIVE: "❔"}
WITH_CHARTS = ("Over the run", "Course of the shares")
"""Sparklines need a font of one width for all of them to say anything."""


class Block(Struct, frozen=True):
    """Lines that stand or fall together, then rows that can be cut."""

    head: list[str]
    rows: list[str] = []
    foot: list[str] = []


def render(result: Result, page: Page) -> str:
    """The verdict, then every section that has content, as far as there is room."""
    room, lines, left_out = MOST_BYTES - MARGIN, [], 0
    for block in _blocks(result):
        fixed = _size([*block.head, *block.foot]) + 100
        if fixed > room:
            left_out += max(1, len(block.rows))
            continue
        room -= fixed
        kept = []
        for row in block.rows[:MOST_ROWS]:
            if (size := _size([row])) > room:
                break
            room -= size
            kept.append(row)
        lines += [*block.head, *kept, ""]
        if cut := len(block.rows) - len(kept):
            lines += [f"and {cut:,} more", ""]
        lines += [line for line in (*block.foot, "") if block.foot]
    if left_out:
        lines += [f"{left_out:,} more lines had no room here: see the JSON result.", ""]
    lines.append(f"Exit code {int(result.exit_code)}: {prose(exit_code_meaning(result))}.")
    return "\n".join(lines) + "\n"


def _size(lines: list[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _blocks(result: Result) -> Iterator[Block]:
    """In the order in which a reviewer asks; what comes last is cut first."""
    yield Block(_headline(result))
    if result.witnesses and not is_balance(result) and not is_identification(result):
        yield _of_grid(agreement_grid(result, WIDTH), "###")
    if result.findings:
        yield _findings(result)
    for witness in result.witnesses:
        yield from _of_witness(result, witness)
    if surroundings := surroundings_grid(result):
        yield _of_grid(surroundings, "###")
    if result.skipped:
        grid = Grid(
            "Skipped",
            (Heading("what"), Heading("why")),
            tuple((Cell(check), Cell(reason)) for check, reason in result.skipped),
        )
        yield _of_grid(grid, "###", (0,))


def _headline(result: Result) -> list[str]:
    name = f" {code(result.spec.name)}" if result.spec.name else ""
    lines = [f"## {MARKS[result.verdict]} lossaudit: {result.verdict}{name}", ""]
    if result.spec.formula:
        label = "Found" if is_identification(result) else "Declared"
        lines += [f"{label}: {code(result.spec.formula, 2000)}", ""]
    return [*lines, prose(result.reason), ""]


def _findings(result: Result) -> Block:
    head = ["### Findings", "", "| severity | check | steps | what | where |"]
    rows = [_finding(result, f) for f in by_severity(result.findings)]
    return Block([*head, "| --- | --- | --- | --- | --- |"], rows)


def _finding(result: Result, finding: Finding) -> str:
    place = finding.location
    path = repository_path(result, place.path if place is not None else finding.witness)
    line = f":{place.line}" if place is not None and place.line is not None else ""
    message = " ".join(prose(t) for t in (finding.message, also_fits(finding)) if t)
    if finding.known:
        message += f" Known, so it changes no exit code: {prose(finding.known)}"
    cells = (
        f"{finding.severity}{' (known)' if finding.known else ''}",
        code(finding.check),
        steps_in_words(*finding.steps) if finding.steps else "",
        message,
        code(f"{path}{line}") if path else "",
    )
    return f"| {' | '.join(cells)} |"


def _of_witness(result: Result, witness: Witness) -> Iterator[Block]:
    path = code(repository_path(result, witness.source))
    head = [f"### {witness.kind} {path}: {witness.verdict}", ""]
    if not result.reason.startswith(witness.reason):
        head += [prose(witness.reason), ""]
    cautions = witness.balance.cautions if witness.balance is not None else ()
    yield Block([*head, *(f"> {prose(c)}\n" for c in cautions)])
    for grid in witness_grids(witness, result, WIDTH):
        if grid.title not in WITH_CHARTS:
            is_name = grid.has_header and grid.headings[0].align == "left"
            yield _of_grid(grid, "####", (0,) if is_name else ())
    if witness.violation_ranges:
        yield _ranges(witness)


def _ranges(witness: Witness) -> Block:
    """The violating steps, runs of them folded."""
    counted = sum(run.rows for run in witness.violation_ranges)
    rows = [
        f"| {steps_in_words(run.first, run.last)} | {run.rows:,} |"
        for run in witness.violation_ranges
    ]
    rest = witness.violations - counted
    foot = [f"and {rest:,} violating rows more"] if rest > 0 else []
    head = ["#### Violating steps", "", "| steps | rows |", "| --- | ---: |"]
    return Block(head, rows, foot)


def _of_grid(grid: Grid, level: str, code_columns: tuple[int, ...] = ()) -> Block:
    head, rows = table(grid, code_columns)
    foot = [prose(grid.note)] if grid.note else []
    return Block([f"{level} {prose(grid.title)}", "", *head], rows, foot)


REPORT = Report("markdown", "For a pull request's comment or a job's summary.", render)
