"""Is the loss that a training run optimised and logged the loss that it claims?

spec = lossaudit.load_spec("musetalk-v1")
result = lossaudit.check_logs(spec, ["runs/1/log.jsonl"])
result.verdict, result.to_dict()
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossaudit.audit import check_logs
    from lossaudit.balancing import balance_logs
    from lossaudit.model.result import Result
    from lossaudit.spec.load import load_spec

__version__ = "0.1.0"
__all__ = ["Result", "__version__", "balance_logs", "check_logs", "load_spec"]

_HOMES = {
    "Result": "lossaudit.model.result",
    "balance_logs": "lossaudit.balancing",
    "check_logs": "lossaudit.audit",
    "load_spec": "lossaudit.spec.load",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `--version` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
