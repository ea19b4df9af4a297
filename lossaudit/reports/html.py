"""The whole audit as one web page that needs no network and works without scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from lossaudit.model.finding import Finding
from lossaudit.model.json_values import encode_value
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result, Witness
from lossaudit.model.steps import steps_in_words
from lossaudit.rendering.agreement import agreement_grid
from lossaudit.rendering.findings import also_fits, by_severity
from lossaudit.rendering.grid import Cell, Grid, Heading
from lossaudit.rendering.html.description import Chart
from lossaudit.rendering.html.markup import section, table, text
from lossaudit.rendering.html.page import document, figure
from lossaudit.rendering.html.residual_chart import residual_chart
from lossaudit.rendering.html.term_charts import gradient_chart, term_charts
from lossaudit.rendering.html.weights_chart import weights_chart
from lossaudit.rendering.sections import (
    exit_code_meaning,
    is_balance,
    is_identification,
    witness_grids,
)
from lossaudit.rendering.surroundings_grid import surroundings_grid

WIDTH = 120
LONGEST_EVIDENCE = 20_000


def render(result: Result, _: Page) -> str:
    """Verdict, agreement, findings, each witness with its figures, what was skipped, inputs."""
    drawn = {k: _charts(w, result, k) for k, w in enumerate(result.witnesses)}
    parts = [
        _headline(result),
        _agreement(result),
        section("findings", "Findings", *(_finding(f) for f in by_severity(result.findings))),
        *(_witness(w, result, k, drawn[k]) for k, w in enumerate(result.witnesses)),
        section("skipped", "Skipped", _pairs("", result.skipped)),
        section("inputs", "Inputs and environment", *_inputs(result)),
    ]
    title = f"{result.verdict.value} {result.spec.name}: lossaudit"
    return document(title, "\n".join(p for p in parts if p), any(drawn.values()))


def _charts(witness: Witness, result: Result, number: int) -> list[Chart]:
    made = [
        residual_chart(witness, result, f"residual-{number}"),
        weights_chart(witness, result, f"weights-{number}"),
        *term_charts(witness, number),
        gradient_chart(witness, number),
    ]
    return [chart for chart in made if chart is not None]


def _headline(result: Result) -> str:
    verdict = result.verdict.value
    formula = "found" if is_identification(result) else "declared"
    facts = [(formula, f"<code>{text(result.spec.formula)}</code>" if result.spec.formula else "")]
    facts += [("summed in", text(result.spec.dtype)), ("findings", _counted(result))]
    facts += [("exit code", f"{int(result.exit_code)}: {text(exit_code_meaning(result))}")]
    shown = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts if value)
    links = [("agreement", "Agreement"), ("findings", "Findings" if result.findings else "")]
    links += [(f"witness-{k}", f"{w.kind} {k + 1}") for k, w in enumerate(result.witnesses)]
    links += [("inputs", "Inputs")]
    listed = "".join(f'<a href="#{i}">{text(name)}</a>' for i, name in links if name)
    return (
        f'<header>\n<h1><span class="badge" data-verdict="{verdict}">{verdict}</span> '
        f"{text(result.spec.name)}</h1>\n"
        f'<p class="because">{text(result.reason, 4000)}</p>\n'
        f'<dl>{shown}</dl>\n<nav aria-label="Sections">{listed}</nav>\n</header>'
    )


def _counted(result: Result) -> str:
    counts: dict[str, int] = {}
    for finding in by_severity(result.findings):
        counts[finding.severity.value] = counts.get(finding.severity.value, 0) + 1
    return ", ".join(f"{n} {name}{'s' * (n > 1)}" for name, n in counts.items()) or "none"


def _agreement(result: Result) -> str:
    if is_balance(result) or is_identification(result) or not result.witnesses:
        return ""
    grid = agreement_grid(result, WIDTH)
    return section("agreement", "Agreement", table(Grid("", grid.headings, grid.rows, grid.note)))


def _finding(finding: Finding) -> str:
    places = [steps_in_words(*finding.steps)] if finding.steps else []
    places += [str(finding.location or finding.witness)]
    where = ", ".join(text(place, 300) for place in places if place)
    also = f"<p>{text(also_fits(finding))}</p>" if also_fits(finding) else ""
    evidence = ""
    if finding.evidence:
        shown = json.dumps(encode_value(dict(finding.evidence)), indent=1, default=str)
        lines = "\n".join(text(line) for line in shown[:LONGEST_EVIDENCE].splitlines())
        evidence = f"<details><summary>evidence</summary><pre>{lines}</pre></details>"
    severity = finding.severity.value
    return (
        f'<article class="finding" data-severity="{severity}">\n<h3><span class="severity">'
        f'{severity}</span> {text(finding.check)} <span class="where">{where}</span></h3>\n'
        f"<p>{text(finding.message)}</p>\n{also}{evidence}</article>"
    )


def _witness(witness: Witness, result: Result, number: int, drawn: list[Chart]) -> str:
    reason = "" if result.reason.startswith(witness.reason) else f"<p>{text(witness.reason)}</p>"
    cautions = witness.balance.cautions if witness.balance is not None else ()
    warned = "".join(f'<p data-tone="unsure">{text(c)}</p>' for c in cautions)
    figures = [figure(chart) for chart in drawn]
    title = f"{witness.kind.capitalize()} {witness.source}: {witness.verdict.value}"
    grids = (
        g for g in witness_grids(witness, result, WIDTH) if g.title != "Over the run" or not drawn
    )
    return section(f"witness-{number}", title, reason, warned, *figures, *map(table, grids))


def _inputs(result: Result) -> Iterator[str]:
    named = [("spec", result.spec.name, result.spec.sha256)]
    named += [(w.kind, w.source, w.sha256) for w in result.witnesses]
    headings = (Heading("what"), Heading("name"), Heading("sha256"))
    rows = tuple(tuple(Cell(value) for value in row) for row in named)
    yield table(Grid("Inputs", headings, rows))
    if surroundings := surroundings_grid(result):
        yield table(surroundings)
    pairs = [("lossaudit", result.version), *result.environment.items()]
    yield _pairs("Environment", [(name, value) for name, value in pairs if value])
    yield _pairs(
        "Sources of the spec", [(str(k + 1), s) for k, s in enumerate(result.spec.sources)]
    )


def _pairs(title: str, pairs: Iterable[tuple[str, str]]) -> str:
    rows = tuple((Cell(name), Cell(value)) for name, value in pairs)
    headings = (Heading(""), Heading(""))
    return table(Grid(title, headings, rows, has_header=False)) if rows else ""


REPORT = Report(
    "html",
    "One web page with figures; no network, no scripts needed.",
    render,
    needs="vl_convert",
)
