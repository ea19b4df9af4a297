"""Paths and findings under names that stay: inside the repository, and from run to run."""

from __future__ import annotations

import posixpath
from collections import Counter
from hashlib import sha256

from lossaudit.model.finding import Finding, Location
from lossaudit.model.result import Result, Witness

OF_THE_INPUT = ("damaged-input", "changed-input")
"""Checks whose findings are about a log as a file, whatever was declared."""

SUBJECTS = ("term", "rival", "tag", "columns", "aggregates")
"""Keys of evidence that say which of several things a finding is about."""


def repository_path(result: Result, path: str) -> str:
    """A path inside the repository as far as that is known, with forward slashes."""
    named = result.repository_paths.get(path, path)
    return posixpath.normpath(named) if named else ""


def anchor(result: Result, finding: Finding) -> Location | None:
    """Where a reviewer is shown a finding: the spec's formula, or else the log's row."""
    if finding.check not in OF_THE_INPUT and result.spec.location is not None:
        return result.spec.location
    if finding.location is not None:
        return finding.location
    return Location(finding.witness) if finding.witness else None


def fingerprints(result: Result) -> list[str]:
    """One name per finding that survives moved lines, other steps and other numbers.

    Of the check, the spec's name, the log's path, and the term or tag that it is about; several
    that agree in these are counted. 32 hexadecimal digits.
    """
    seen: Counter[str] = Counter()
    found = []
    for finding in result.findings:
        path = finding.witness or (finding.location.path if finding.location else "")
        parts = [finding.check, result.spec.name, repository_path(result, path), _subject(finding)]
        key = "\0".join(parts)
        seen[key] += 1
        found.append(_digest(f"{key}\0{seen[key]}"))
    return found


def undecided_fingerprint(result: Result, witness: Witness) -> str:
    """The same for a witness about which nothing could be said."""
    path = repository_path(result, witness.source)
    return _digest(f"inconclusive\0{result.spec.name}\0{path}")


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _subject(finding: Finding) -> str:
    values = (finding.evidence.get(key) for key in SUBJECTS)
    return "\1".join(f"{v}" for v in values if isinstance(v, str | list | tuple | dict))
