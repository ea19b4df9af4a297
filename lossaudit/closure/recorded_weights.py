"""The recorder's files of what autograd had, which are no logs of totals."""

from __future__ import annotations

import re
from pathlib import PurePath

from lossaudit.closure.examine import LogEvidence

_NAME = re.compile(r"(weights|gradients)(\.rank-[0-9]{3,})?\.jsonl")


def are_recorded_weights(evidence: LogEvidence) -> bool:
    """Whether this is what the recorder writes of autograd's weights: by its place, as it has no
    total."""
    return _recorded(evidence) == "weights"


def are_recorded_gradients(evidence: LogEvidence) -> bool:
    """Whether this is what the recorder writes of the terms' gradients, in the same way."""
    return _recorded(evidence) == "gradients"


def _recorded(evidence: LogEvidence) -> str:
    path = PurePath(evidence.log.source)
    match = _NAME.fullmatch(path.name)
    is_ours = match is not None and path.parent.name == "record" and evidence.binding.total is None
    return match[1] if match is not None and is_ours else ""
