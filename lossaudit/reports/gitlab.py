"""GitLab code quality: findings beside the changed lines of a merge request.

INCONCLUSIVE is information, never more. Fingerprints are unique and survive moved lines.

Source: GitLab documentation, "Code Quality report format".
"""

from __future__ import annotations

import json
from typing import Any

from lossaudit.model.finding import Finding, Location, Severity
from lossaudit.model.places import (
    anchor,
    fingerprints,
    repository_path,
    undecided_fingerprint,
)
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result, Witness
from lossaudit.rendering.findings import also_fits, by_severity
from lossaudit.rendering.safe_text import clip, escape_json, escape_text
from lossaudit.rendering.undecided import undecided_witnesses

SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.NOTE: "info"}
MOST_BYTES = 10_000_000
LONGEST_PATH = 4096


def render(result: Result, page: Page) -> str:
    """A list of issues, errors first; what is beyond 10 MB is counted in a last one."""
    prints = {id(f): p for f, p in zip(result.findings, fingerprints(result), strict=True)}
    issues = [_finding(result, f, prints[id(f)]) for f in by_severity(result.findings)]
    issues += [_undecided(result, w) for w in undecided_witnesses(result)]
    kept: dict[str, str] = {}
    room = MOST_BYTES - 10_000
    for issue in issues:
        fingerprint = issue["fingerprint"]
        while fingerprint in kept:  # two logs of one path: a run named twice is refused
            fingerprint += "x"
        text = json.dumps(issue | {"fingerprint": fingerprint}, ensure_ascii=False, allow_nan=False)
        text = escape_json(text)
        room -= len(text.encode()) + 3
        if room < 0:
            break
        kept[fingerprint] = text
    if left := len(issues) - len(kept):
        rest = _issue(result, "left-out", f"and {left:,} more findings", "info", "left-out", None)
        kept["left-out"] = escape_json(json.dumps(rest, ensure_ascii=False))
    return "[\n" + ",\n".join(kept.values()) + "\n]\n" if kept else "[]\n"


def _finding(result: Result, finding: Finding, fingerprint: str) -> dict[str, Any]:
    severity = "info" if finding.known else SEVERITIES[finding.severity]
    known = f" (known: {finding.known})" if finding.known else ""
    also = f" {also_fits(finding)}" if also_fits(finding) else ""
    shown = anchor(result, finding)
    place = finding.location
    beside = f" ({place})" if place is not None and place != shown else ""
    message = f"{finding.message}{also}{known}{beside}"
    return _issue(result, finding.check, message, severity, fingerprint, shown)


def _undecided(result: Result, witness: Witness) -> dict[str, Any]:
    place = result.spec.location or Location(witness.source)
    fingerprint = undecided_fingerprint(result, witness)
    message = f"INCONCLUSIVE: {witness.reason}"
    return _issue(result, "inconclusive", message, "info", fingerprint, place)


def _issue(
    result: Result,
    check: str,
    message: str,
    severity: str,
    fingerprint: str,
    place: Location | None,
) -> dict[str, Any]:
    path = place.path if place is not None else ""
    shown = escape_text(repository_path(result, path)[:LONGEST_PATH])
    line = place.line if place is not None and place.line is not None else 1
    return {
        "type": "issue",
        "check_name": clip(escape_text(check)),
        "description": clip(escape_text(f"lossaudit {check}: {message}")),
        "severity": severity,
        "fingerprint": fingerprint,
        "location": {
            "path": "standard-input" if path == "-" else shown or "lossaudit",
            "lines": {"begin": max(line, 1)},
        },
    }


REPORT = Report("gitlab", "Code quality of a GitLab merge request.", render)
