"""An in-toto statement, which standard tools sign: these inputs, and what the audit said of them.

The layout is that of https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md; the
predicate is the result without the points of its plots.
"""

from __future__ import annotations

import json
import re

from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result
from lossaudit.rendering.safe_text import escape_json

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:lossaudit:loss-audit/v1"

_SURROGATE = re.compile("[\ud800-\udfff]")


def render(result: Result, page: Page) -> str:
    """One statement as indented JSON; its subjects are the spec and everything that was read."""
    predicate = {k: v for k, v in result.to_dict().items() if k != "series"}
    statement = {
        "_type": STATEMENT,
        "subject": [
            {"name": name, "digest": {"sha256": digest}}
            for name, digest in _subjects(result).items()
        ],
        "predicateType": PREDICATE,
        "predicate": predicate,
    }
    text = json.dumps(statement, indent=2, allow_nan=False, ensure_ascii=False)
    # Statements are read as protobuf, whose strings hold no half of a surrogate pair.
    text = _SURROGATE.sub(lambda half: f"\\\\u{ord(half[0]):04x}", text)
    return escape_json(text) + "\n"


def _subjects(result: Result) -> dict[str, str]:
    found = {w.source: w.sha256 for w in result.witnesses}
    if result.reproduction is not None:
        found |= {i.path: i.sha256 for i in result.reproduction.inputs}
    found.setdefault(f"spec {result.spec.name}", result.spec.sha256)
    return {name: digest for name, digest in found.items() if digest}


REPORT = Report("in-toto", "An in-toto statement to be signed: inputs and result.", render)
