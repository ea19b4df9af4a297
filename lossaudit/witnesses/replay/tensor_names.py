"""Names of weights without what wrappers put before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from lossaudit.witnesses.replay.names import shown

WRAPPERS = ("module.", "_forward_module.", "net.unet.", "unet.")
"""What DistributedDataParallel, Lightning Fabric and MuseTalk's network around a UNet prepend."""

_COMPILED = "_orig_mod."

Value = TypeVar("Value")


def without_wrappers(tensors: Mapping[str, Value]) -> tuple[dict[str, Value], str]:
    """The same tensors under their own names, and the prefix that all of them had.

    A prefix is removed only where every name has it. `_orig_mod.`, which torch.compile puts
    anywhere into a name, is removed wherever it stands.

    Raises:
        ValueError: if two names are one without it.
    """
    found = {name.replace(_COMPILED, ""): value for name, value in tensors.items()}
    if len(found) < len(tensors):
        raise ValueError(f"two of its names differ by {shown(_COMPILED)} alone")
    removed = ""
    while prefix := next((p for p in WRAPPERS if _all_have(found, p)), ""):
        found = {name.removeprefix(prefix): value for name, value in found.items()}
        removed += prefix
    return found, removed


def _all_have(tensors: Mapping[str, object], prefix: str) -> bool:
    return bool(tensors) and all(n.startswith(prefix) and n != prefix for n in tensors)
