"""The published layout, docs/schema/result.schema.json: for programs and `lossaudit report`."""

from __future__ import annotations

import json

from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result
from lossaudit.rendering.safe_text import escape_json


def render(result: Result, page: Page) -> str:
    """Indented JSON, NaN and infinities as strings, invisible characters as escapes."""
    text = json.dumps(result.to_dict(), indent=2, allow_nan=False, ensure_ascii=False)
    return escape_json(text) + "\n"


REPORT = Report("json", "Everything, for programs: the published JSON layout.", render)
