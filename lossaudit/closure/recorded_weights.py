"""The recorder's file of effective weights, which is no log of totals."""

from __future__ import annotations

import re
from pathlib import PurePath

from lossaudit.closure.examine import LogEvidence

_NAME = re.compile(r"weights(\.rank-[0-9]{3,})?\.jsonl")


def are_recorded_weights(evidence: LogEvidence) -> bool:
    """Whether this is what the recorder writes of autograd's weights: by its place, as it has no
    total."""
    path = PurePath(evidence.log.source)
    is_named = _NAME.fullmatch(path.name) is not None and path.parent.name == "record"
    return is_named and evidence.binding.total is None
