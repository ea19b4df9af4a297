"""The `diff` command: two stored results are compared."""

from __future__ import annotations

import json

import typer
from msgspec.structs import asdict

from lossaudit.cli.output import deliver_text, page_of_output, refuse_to_replace
from lossaudit.comparing import compare_runs
from lossaudit.errors import UsageError
from lossaudit.model.comparison import Comparison
from lossaudit.model.finding import Verdict
from lossaudit.model.json_values import encode_value
from lossaudit.model.report import Page
from lossaudit.model.result import ExitCode
from lossaudit.rendering.comparison import render_comparison
from lossaudit.witnesses.stored_result import read_result

CODES = {
    Verdict.PASS: ExitCode.PASS,
    Verdict.FAIL: ExitCode.FINDING,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


def run(first: str, second: str, format_name: str, output: str | None) -> None:
    """Compare, report, and leave with 0 (the same loss), 1 (different losses) or 3 (undecided).

    Raises:
        UsageError: for an unknown format, or an output that is one of the results.
        InputError: if one of the results cannot be read.
    """
    if format_name not in ("full", "json"):
        raise UsageError(f"diff has no format {format_name!r}", expected="full, json")
    refuse_to_replace(output, [first, second])
    comparison = compare_runs(read_result(first), read_result(second))
    if format_name == "json":
        text = render_json(comparison)
    else:
        page = Page() if output is not None else page_of_output()
        text = render_comparison(comparison, (first, second), page)
    deliver_text(text, output)
    raise typer.Exit(int(CODES[comparison.verdict]))


def render_json(comparison: Comparison) -> str:
    """The comparison as JSON."""
    terms = {
        t.name: {
            "verdict": t.verdict.value,
            "first": None if t.first is None else asdict(t.first),
            "second": None if t.second is None else asdict(t.second),
            "shares": list(t.shares),
            "says": t.says,
        }
        for t in comparison.terms
    }
    document = {
        "schema": "lossaudit-diff/1",
        "verdict": comparison.verdict.value,
        "reason": comparison.reason,
        "terms": encode_value(terms),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
