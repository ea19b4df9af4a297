"""Known findings: a file that says which are accepted, and why.

A finding that it names is listed with the reason and does not change the exit code; the verdict
stays what it is. An entry with `rows` accepts no more rows than that. One that matches no finding
any more is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lossaudit.errors import Problem, SpecError, UsageError
from lossaudit.model.finding import Finding
from lossaudit.model.places import fingerprints
from lossaudit.model.result import Result

if TYPE_CHECKING:
    from lossaudit.spec.yaml_nodes import Node

KEYS = ("fingerprint", "check", "reason")
COUNTED = ("refuted_rows", "rows")
"""Keys of evidence that say how many rows a finding is about."""

EXAMPLE = "findings: [{fingerprint: ..., check: dominant-term, reason: why it is accepted}]"


class Entry(Struct, frozen=True):
    """One accepted finding.

    Attributes:
        check: its check.
        reason: why it is accepted.
        line: of the entry in its file.
        rows: on how many rows at most; None for any number.
    """

    check: str
    reason: str
    line: int
    rows: float | None = None

    def accepts(self, finding: Finding) -> bool:
        """Whether this is the finding meant, and no larger than it was."""
        rows = _rows(finding)
        within = self.rows is None or rows is None or rows <= self.rows
        return self.check == finding.check and within


class Baseline(Struct, frozen=True):
    """The entries of a file by fingerprint."""

    path: str
    entries: Mapping[str, Entry]


def read_baseline(path: str) -> Baseline:
    """Read a baseline file, strict YAML as a spec is.

    Raises:
        UsageError: if it cannot be read.
        SpecError: with every problem of the file.
    """
    from lossaudit.spec.config_weights import read_bytes  # YAML, for who has a baseline
    from lossaudit.spec.strict_yaml import compose_yaml

    try:
        text = read_bytes(Path(path), "the baseline").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("is no UTF-8", where=path, expected=EXAMPLE) from None
    root, problems = compose_yaml(text)
    entries: dict[str, Entry] = {}
    if root is not None:
        listed = root.find("findings")
        items = listed.value if listed is not None else None
        others = sorted(set(root.keys) - {"findings"})
        if not isinstance(items, list) or others:
            fault = f"the key {others[0]!r} is unknown" if others else "no findings are listed"
            problems.append(Problem(fault, *root.place(), expected=EXAMPLE))
        for node in items if isinstance(items, list) else ():
            _take(node, entries, problems)
    if problems:
        raise SpecError(path, problems)
    return Baseline(path, entries)


def _take(node: Node, entries: dict[str, Entry], problems: list[Problem]) -> None:
    """One entry, or what is wrong with it."""
    known = {key: node.find(key) for key in KEYS}
    texts = {key: n.text.strip() if n is not None else "" for key, n in known.items()}
    faults = [f"the key {key!r} is unknown" for key in node.keys if key not in (*KEYS, "rows")]
    faults += [f"the entry has no {key}" for key in KEYS if not texts[key]]
    fingerprint = texts["fingerprint"]
    limit = node.find("rows")
    rows = limit.value if limit is not None else None
    if limit is not None and (not isinstance(rows, float) or not rows >= 1):
        faults.append("rows is no number of rows")
    if fingerprint in entries:
        faults.append(f"the fingerprint is on line {entries[fingerprint].line} too")
    problems += [Problem(fault, *node.place(), expected=EXAMPLE) for fault in faults]
    if not faults:
        most = rows if isinstance(rows, float) else None
        entries[fingerprint] = Entry(texts["check"], texts["reason"], node.line, most)


def with_baseline(result: Result, baseline: Baseline | None) -> Result:
    """The result with known findings marked, and stale entries among what was skipped."""
    if baseline is None:
        return result
    prints = fingerprints(result)
    marked = []
    for finding, fingerprint in zip(result.findings, prints, strict=True):
        entry = baseline.entries.get(fingerprint)
        is_known = entry is not None and entry.accepts(finding)
        marked.append(replace(finding, known=entry.reason) if entry and is_known else finding)
    used = set(prints)
    stale = [
        (f"baseline {entry.check}", f"{baseline.path}:{entry.line} matches no finding: delete it")
        for fingerprint, entry in baseline.entries.items()
        if fingerprint not in used
    ]
    return replace(result, findings=tuple(marked), skipped=(*result.skipped, *stale))


def baseline_text(result: Result) -> str:
    """A baseline file for the findings that none names yet, its reasons left to be written."""
    lines = ["# Accepted findings. Say why, or delete the entry; an empty reason is refused."]
    lines.append("findings:" if result.findings else "findings: []")
    for finding, fingerprint in zip(result.findings, fingerprints(result), strict=True):
        message = " ".join(finding.message.split())[:120]
        shown = "".join(c if c.isprintable() else "?" for c in message)
        lines += [
            f"  # {shown}",
            f"  - fingerprint: '{fingerprint}'",
            f"    check: {finding.check}",
            *([] if (rows := _rows(finding)) is None else [f"    rows: {rows}"]),
            f"    reason: {_quoted(finding.known)}",
        ]
    return "\n".join(lines) + "\n"


def _rows(finding: Finding) -> int | None:
    counts = (finding.evidence.get(key) for key in COUNTED)
    return next((c for c in counts if isinstance(c, int)), None)


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
