"""SARIF 2.1.0, for code scanning: findings as results, checks as rules.

FAIL is `kind: fail`, INCONCLUSIVE is `kind: open` with level none and never an error, PASS is left
out. A result stands on the spec's formula where a spec file was given, the log's row beside it.
GitHub takes 25,000 results and 10 MB; what is beyond is left out and counted.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from lossaudit.model.finding import Finding, Location, Severity
from lossaudit.model.places import (
    anchor,
    fingerprints,
    repository_path,
    undecided_fingerprint,
)
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result, Witness
from lossaudit.model.steps import steps_in_words
from lossaudit.rendering.findings import also_fits, by_severity
from lossaudit.rendering.safe_text import clip, escape_json, escape_text
from lossaudit.rendering.undecided import undecided_witnesses

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MOST_RESULTS = 25_000
MOST_BYTES = 10_000_000
MARGIN = 200_000
"""Bytes kept for what stands around results and rules."""

MOST_RELATED = 10
MOST_ARTIFACTS = 100
LONGEST_PAGE, LONGEST_PATH = 20_000, 4096
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
UNDECIDED = "inconclusive"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"[^<>\[\]@!]*")
"""Manual pages whose Markdown can hold no link, image, HTML or mention."""


def render(result: Result, page: Page) -> str:
    """One run; a count of what was left out stands among its notifications."""
    pages = _rules(result)
    artifacts = _artifacts(result)
    room = MOST_BYTES - MARGIN - _size(artifacts)
    rules: dict[str, dict[str, Any]] = {}
    kept: list[dict[str, Any]] = []
    candidates = list(_results(result))
    for candidate in candidates[:MOST_RESULTS]:
        name = candidate["ruleId"]
        room -= _size(candidate) + (0 if name in rules else _size(pages[name]))
        if room < 0:
            break
        rules.setdefault(name, pages[name])
        kept.append(candidate)
    places = {name: k for k, name in enumerate(rules)}
    for entry in kept:
        entry["ruleIndex"] = places[entry["ruleId"]]
    run = _run(result, list(rules.values()), artifacts, kept, len(candidates) - len(kept))
    return _dumped({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}) + "\n"


def _dumped(value: Any) -> str:
    return escape_json(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False))


def _size(value: Any) -> int:
    """Bytes of a value as it stands in the document, indented by 6 at most."""
    text = _dumped(value)
    return len(text.encode()) + 6 * (text.count("\n") + 1) + 30


def _run(
    result: Result,
    rules: list[dict[str, Any]],
    artifacts: list[dict[str, Any]],
    kept: list[dict[str, Any]],
    left_out: int,
) -> dict[str, Any]:
    notes = []
    if left_out:
        text = f"{left_out:,} more results were left out: SARIF is read up to 25,000 and 10 MB"
        notes.append({"level": "warning", "message": {"text": text}})
    return {
        "tool": {"driver": {"name": "lossaudit", "version": _text(result.version), "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The repository."}}},
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": int(result.exit_code),
                "exitCodeDescription": f"{result.verdict.value}: {_text(result.reason)}",
                "toolExecutionNotifications": notes,
            }
        ],
        "artifacts": artifacts,
        "results": kept,
        "properties": {
            "verdict": result.verdict.value,
            "formula": _text(result.spec.formula),
            "resultsLeftOut": left_out,
        },
    }


def _rules(result: Result) -> dict[str, dict[str, Any]]:
    """By check: what found something, with its manual page, or its name where there is none."""
    known = {rule.check: rule for rule in result.rules}
    found = {}
    for finding in by_severity(result.findings)[::-1]:
        rule = known.get(finding.check)
        summary = _text(rule.summary if rule and rule.summary else finding.check)
        page = "\n".join(map(escape_text, rule.help.splitlines())) if rule else ""
        shown = {"text": clip(page, LONGEST_PAGE) or summary}
        if page and _PLAIN.fullmatch(page):
            shown["markdown"] = shown["text"]
        found[_text(finding.check)] = _rule(finding.check, summary, shown, LEVELS[finding.severity])
    summary = "the declared formula could not be put to the test"
    page = "Nothing could be decided, which is no pass; the message says why."
    found[UNDECIDED] = _rule(UNDECIDED, summary, {"text": page}, "none")
    return found


def _rule(name: str, summary: str, page: dict[str, str], level: str) -> dict[str, Any]:
    return {
        "id": _text(name),
        "shortDescription": {"text": summary},
        "help": page,
        "defaultConfiguration": {"level": level},
    }


def _results(result: Result) -> Iterator[dict[str, Any]]:
    """Errors first, then what could not be decided, so that a cut takes the least."""
    prints = {id(f): p for f, p in zip(result.findings, fingerprints(result), strict=True)}
    ordered = [(f, prints[id(f)]) for f in by_severity(result.findings)]
    first = [pair for pair in ordered if pair[0].severity is Severity.ERROR]
    for finding, fingerprint in first:
        yield _finding(result, finding, fingerprint)
    for witness in undecided_witnesses(result):
        yield _undecided(result, witness)
    for finding, fingerprint in ordered[len(first) :]:
        yield _finding(result, finding, fingerprint)


def _finding(result: Result, finding: Finding, fingerprint: str) -> dict[str, Any]:
    steps = f" ({steps_in_words(*finding.steps)})" if finding.steps else ""
    also = f" {also_fits(finding)}" if also_fits(finding) else ""
    entry: dict[str, Any] = {
        "ruleId": _text(finding.check),
        "kind": "fail",
        "level": LEVELS[finding.severity],
        "message": {"text": _message(f"{finding.message}{steps}{also}")},
        "locations": _primary(result, anchor(result, finding)),
        "partialFingerprints": {"lossaudit/v1": fingerprint},
    }
    related = [finding.location] if finding.location is not None else []
    witness = next((w for w in result.witnesses if w.source == finding.witness), None)
    if witness is not None and finding.severity is Severity.ERROR:
        related += [v.location for v in witness.first_violations]
    if shown := _related(result, related, finding.location):
        entry["relatedLocations"] = shown
    if finding.known:
        reason = _message(finding.known)
        entry["suppressions"] = [{"kind": "external", "justification": reason}]
    return entry


def _undecided(result: Result, witness: Witness) -> dict[str, Any]:
    place = result.spec.location or Location(witness.source)
    return {
        "ruleId": UNDECIDED,
        "kind": "open",
        "level": "none",
        "message": {"text": _message(f"INCONCLUSIVE: {witness.reason}")},
        "locations": _primary(result, place),
        "partialFingerprints": {"lossaudit/v1": undecided_fingerprint(result, witness)},
    }


def _primary(result: Result, place: Location | None) -> list[dict[str, Any]]:
    """Where the result is shown; its first line where the place is no line of a text."""
    if place is None:
        return []
    line = place.line if place.line is not None and place.line > 0 else 1
    physical = {"artifactLocation": _artifact(result, place.path), "region": {"startLine": line}}
    return [{"physicalLocation": physical}]


def _related(result: Result, places: list[Location], own: Location | None) -> list[dict[str, Any]]:
    """Rows of the log, each once, the finding's own first."""
    found = []
    for place in list(dict.fromkeys(places))[:MOST_RELATED]:
        physical: dict[str, Any] = {"artifactLocation": _artifact(result, place.path)}
        if place.line is not None and place.line > 0:
            physical["region"] = {"startLine": place.line}
        elif place.offset is not None and place.offset >= 0:
            physical["region"] = {"byteOffset": place.offset, "byteLength": 0}
        what = "found here" if place == own else "a violating row"
        text = _message(f"{what}: {place}")
        found.append({"physicalLocation": physical, "message": {"text": text}})
    return found


def _artifacts(result: Result) -> list[dict[str, Any]]:
    """What was audited, each file once."""
    found: list[dict[str, Any]] = []
    for witness in result.witnesses[:MOST_ARTIFACTS]:
        artifact: dict[str, Any] = {"location": _artifact(result, witness.source)}
        if _DIGEST.fullmatch(witness.sha256):
            artifact["hashes"] = {"sha-256": witness.sha256}
        if artifact not in found:
            found.append(artifact)
    return found


def _artifact(result: Result, path: str) -> dict[str, str]:
    """A URI below the repository, or as the path is where it lies outside; percent-encoded."""
    if path == "-":
        return {"uri": "standard-input"}
    inside = repository_path(result, path)[:LONGEST_PATH]
    uri = quote(inside.encode("utf-8", "surrogatepass"), safe="/~")
    if posixpath.isabs(inside):
        return {"uri": f"file://{uri}"}
    return {"uri": uri} if inside.startswith("..") else {"uri": uri, "uriBaseId": "%SRCROOT%"}


def _text(text: str) -> str:
    return clip(escape_text(text))


def _message(text: str) -> str:
    """A plain text message; `[a](b)` in it is no link."""
    shown = _text(text)
    return re.sub(r"([\[\]])", r"\\\1", shown) if "](" in shown else shown


REPORT = Report("sarif", "SARIF 2.1.0, for code scanning.", render)
