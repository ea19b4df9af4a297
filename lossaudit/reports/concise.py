"""One line per finding and asked weight, then the verdict: for editors, hooks and grep."""

from __future__ import annotations

from lossaudit.model.balance import WhatIf
from lossaudit.model.finding import Finding
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result
from lossaudit.rendering.findings import in_order
from lossaudit.rendering.numbers import render_number, render_percent
from lossaudit.rendering.safe_text import clip, escape_text


def render(result: Result, page: Page) -> str:
    """`location: severity check: message` lines, then `VERDICT spec-name: reason`."""
    lines = [_line(finding) for finding in in_order(result.findings)]
    for witness in result.witnesses:
        asked = witness.balance.what_if if witness.balance is not None else ()
        lines += [_what_if(witness.source, question) for question in asked]
    head = f"{result.verdict} {_shown(result.spec.name)}".rstrip()
    return "\n".join([*lines, f"{head}: {_shown(result.reason)}", ""])


def _line(finding: Finding) -> str:
    place = _shown(str(finding.location or finding.witness or "-"))
    known = f" (known: {_shown(finding.known)})" if finding.known else ""
    check = _shown(finding.check)
    return f"{place}: {finding.severity} {check}{known}: {_shown(finding.message)}"


def _what_if(source: str, asked: WhatIf) -> str:
    """`log: what if: TERM = W: TERM 12.3%, ...`, the shares as medians."""
    shares = ", ".join(f"{_shown(t)} {render_percent(s.p50)}" for t, s in asked.shares.items())
    weight = f"{_shown(asked.term)} = {render_number(asked.weight)}"
    return f"{_shown(source)}: what if: {weight}: {shares or 'no rows tell'}"


def _shown(text: str) -> str:
    return clip(escape_text(text))


REPORT = Report("concise", "One line per finding, then the verdict.", render)
