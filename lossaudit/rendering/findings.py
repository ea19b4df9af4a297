"""The order of findings, and what they say besides their message."""

from __future__ import annotations

from lossaudit.model.finding import Finding, Location


def in_order(findings: tuple[Finding, ...]) -> list[Finding]:
    """By (check, first step, witness, place); a finding without steps or place after those with."""
    return sorted(findings, key=_key)


def by_severity(findings: tuple[Finding, ...]) -> list[Finding]:
    """Errors, then warnings, then notes; each in order."""
    return sorted(in_order(findings), key=lambda finding: -finding.severity.rank)


def also_fits(finding: Finding) -> str:
    """What fits as well as the diagnosis, as a sentence; empty where nothing does."""
    also = finding.evidence.get("also")
    if not isinstance(also, list | tuple):
        return ""
    also = [a for a in also if isinstance(a, dict)]
    if not also:
        return ""
    named = (f"{a.get('check')}, {a.get('formula') or 'no one formula'}" for a in also)
    return f"Fits as well: {'; '.join(named)}."


def _key(finding: Finding) -> tuple[str, bool, tuple[int, int], str, tuple[bool, str, int], str]:
    steps = finding.steps or (0, 0)
    return (
        finding.check,
        finding.steps is None,
        steps,
        finding.witness,
        _place(finding.location),
        finding.message,
    )


def _place(location: Location | None) -> tuple[bool, str, int]:
    """The file and where in it; a file as a whole comes first, no place ("and 5 more") last."""
    if location is None:
        return True, "", 0
    numbers = (location.line, location.offset, location.row)
    return False, location.path, next((n for n in numbers if n is not None), -1)
