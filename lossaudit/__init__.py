"""Is the loss that a training run optimised and logged the loss that it claims?

result = lossaudit.audit("runs/1", "musetalk-v1")
result.verdict, result.to_dict()
lossaudit.check_logs(lossaudit.load_spec("musetalk-v1"), ["runs/1/log.jsonl"])
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from lossaudit.audit import audit, check_logs, recompute
    from lossaudit.balancing import balance_logs
    from lossaudit.model.result import Result
    from lossaudit.spec.load import load_spec

__version__ = "0.1.0"
__all__ = [
    "Result",
    "__version__",
    "audit",
    "balance_logs",
    "check_logs",
    "load_spec",
    "recompute",
]

_HOMES = {
    "Result": "lossaudit.model.result",
    "audit": "lossaudit.audit",
    "balance_logs": "lossaudit.balancing",
    "check_logs": "lossaudit.audit",
    "load_spec": "lossaudit.spec.load",
    "recompute": "lossaudit.audit",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `--version` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
