"""GitHub Actions annotations: workflow commands that the runner shows beside the changed lines.

GitHub shows ten annotations of a kind and step, so there are nine at most and "and N more". What
is INCONCLUSIVE is a warning. `%`, CR and LF are escaped in messages, `:` and `,` in properties too,
as the runner unescapes them (actions/runner: src/Runner.Common/ActionCommand.cs); whatever else
does not show is an escape, as in every format.
"""

from __future__ import annotations

from msgspec import Struct

from lossaudit.model.finding import Finding, Location, Severity, Verdict
from lossaudit.model.places import anchor, repository_path
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result
from lossaudit.rendering.findings import also_fits, by_severity
from lossaudit.rendering.safe_text import clip, show_hidden

MOST = 9
KINDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
VERDICT_KINDS = {Verdict.FAIL: "error", Verdict.INCONCLUSIVE: "warning", Verdict.PASS: "notice"}


class Annotation(Struct, frozen=True):
    """One workflow command, nothing escaped yet."""

    kind: str
    title: str
    message: str
    place: Location | None = None


def render(result: Result, page: Page) -> str:
    """The verdict, then the findings, the worst first."""
    said = result.exit_code != 0
    kind = VERDICT_KINDS[result.verdict] if said else "notice"
    name = f" {result.spec.name}" if result.spec.name else ""
    verdict = Annotation(kind, f"lossaudit {result.verdict}{name}", result.reason)
    annotations = [verdict, *(_of(result, f) for f in by_severity(result.findings))]
    lines = []
    for kind in KINDS.values():
        own = [a for a in annotations if a.kind == kind]
        shown = own[:MOST]
        lines += [_command(result, annotation) for annotation in shown]
        if len(own) > len(shown):
            more = f"and {len(own) - len(shown):,} more"
            lines.append(_command(result, Annotation(kind, "lossaudit", more)))
    return "\n".join(lines) + "\n"


def _of(result: Result, finding: Finding) -> Annotation:
    """A known finding is a notice, whatever its severity."""
    kind = "notice" if finding.known else KINDS[finding.severity]
    parts = [finding.message, also_fits(finding)]
    if finding.known:
        parts.append(f"Known: {finding.known}.")
    shown = anchor(result, finding)
    if finding.location is not None and shown != finding.location:
        parts.append(f"Found at {finding.location}.")
    message = " ".join(part for part in parts if part)
    return Annotation(kind, f"lossaudit {finding.check}", message, shown)


def _command(result: Result, annotation: Annotation) -> str:
    properties = {}
    place = annotation.place
    if place is not None and place.path != "-":
        properties["file"] = repository_path(result, place.path)
        if place.line is not None and place.line > 0:
            properties["line"] = str(place.line)
    properties["title"] = annotation.title
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{annotation.kind} {listed}::{_message(annotation.message)}"


def _message(text: str) -> str:
    """Lines stay lines; other characters that do not show are escapes."""
    lines = (show_hidden(line) for line in clip(text).split("\n"))
    return "\n".join(lines).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


REPORT = Report("github", "Annotations of GitHub Actions.", render)
