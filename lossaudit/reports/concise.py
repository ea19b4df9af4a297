"""One line per finding, then the verdict: for editors, pre-commit hooks and grep."""

from __future__ import annotations

from lossaudit.model.finding import Finding
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result
from lossaudit.rendering.findings import in_order
from lossaudit.rendering.safe_text import clip, escape_text


def render(result: Result, page: Page) -> str:
    """`location: severity check: message` lines, then `VERDICT spec-name: reason`."""
    lines = [_line(finding) for finding in in_order(result.findings)]
    head = f"{result.verdict} {_shown(result.spec.name)}".rstrip()
    return "\n".join([*lines, f"{head}: {_shown(result.reason)}", ""])


def _line(finding: Finding) -> str:
    place = _shown(str(finding.location or finding.witness or "-"))
    known = f" (known: {_shown(finding.known)})" if finding.known else ""
    check = _shown(finding.check)
    return f"{place}: {finding.severity} {check}{known}: {_shown(finding.message)}"


def _shown(text: str) -> str:
    return clip(escape_text(text))


REPORT = Report("concise", "One line per finding, then the verdict.", render)
