"""Which of a checkpoint's dictionaries are the weights: a choice that can be stated, or none.

Training computes its loss with the raw weights, so an average of them (EMA) beside them is never
taken. Optimisers keep tensors too; their dictionaries are no weights.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from lossaudit.witnesses.replay.names import listed, shown

Path = tuple[str, ...]
Value = TypeVar("Value")

_RAW = frozenset(
    (
        *("state_dict", "model_state_dict", "net_state_dict", "unet_state_dict"),
        *("model", "module", "net", "network", "unet", "weights", "params"),
    )
)
"""Keys under which trainers keep the weights that they train."""

_OTHERS = (
    "optim",
    "sched",
    "lr_",
    "scaler",
    "rng",
    "random",
    "callback",
    "loop",
    "hparam",
    "hyper",
)
"""How keys begin that hold a trainer's other states."""


def choose_weights(
    tensors: Mapping[Path, Value], dicts: Mapping[Path, Collection[str]]
) -> tuple[dict[str, Value], str]:
    """The weights by their names, and how they were chosen.

    Args:
        tensors: by where they are in nested dictionaries.
        dicts: every dictionary's keys.

    Returns:
        The tensors right inside of the chosen dictionary; a sentence, empty where no choice was.

    Raises:
        ValueError: if there are none, or several dictionaries that may be meant.
    """
    held: dict[Path, dict[str, Value]] = {}
    for path, value in tensors.items():
        if path:
            held.setdefault(path[:-1], {})[path[-1]] = value
    found = [path for path in held if not _is_state_of_training(path, dicts)]
    if not found:
        raise ValueError("it holds no state dict of a model")
    chosen = _chosen(found)
    left = [".".join(path) or "the top" for path in found if path != chosen]
    extra = [key for key in dicts.get(chosen, ()) if key not in held[chosen]]
    notes = []
    if chosen or left:
        notes.append(f"the weights are those under {shown('.'.join(chosen))}")
        notes += [f"not those under {listed(left)}"] if left else []
    if extra and not chosen:
        notes.append(f"entries that are no tensors are left out: {listed(extra)}")
    if any(_is_average(key) for key in chosen):
        notes.append("an average (EMA) of what was trained, and the only weights there are")
    return held[chosen], ", ".join(notes)


def _chosen(found: Sequence[Path]) -> Path:
    if len(found) == 1:
        return found[0]
    raw = [path for path in found if not any(_is_average(key) for key in path)]
    if len(raw) == 1:
        return raw[0]
    named = [path for path in raw if path and path[-1] in _RAW]
    if len(named) == 1:
        return named[0]
    shown_as = listed([".".join(path) or "the top" for path in found])
    raise ValueError(f"it holds several state dicts: {shown_as}; save the one that is meant alone")


def _is_average(key: str) -> bool:
    return "ema" in key.lower().replace("-", "_").split("_") or key.lower() == "shadow_params"


def _is_state_of_training(path: Path, dicts: Mapping[Path, Collection[str]]) -> bool:
    """Whether a dictionary is, or lies in, that of an optimiser, a schedule or the like."""
    for depth in range(len(path) + 1):
        if "param_groups" in dicts.get(path[:depth], ()):
            return True
    return any(key.lower().startswith(_OTHERS) for key in path)
