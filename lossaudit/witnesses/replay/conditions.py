"""In which numbers a forward pass was run in training: as declared, and as its tensors show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from lossaudit.witnesses.replay.adapter import Adapter, Autocast, Models, Tensors
from lossaudit.witnesses.replay.names import listed

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

LEAST_VALUES = 64
"""Fewer values than this may lie on a coarse grid by chance, or by design."""


class Conditions(Struct, frozen=True):
    """How training ran the pass, as far as that is known.

    Attributes:
        autocast: to what `torch.autocast` lowered it.
        tf32: convolutions may have taken TF32 inputs.
        notes: what was seen, for the report.
    """

    autocast: Autocast = "none"
    tf32: bool = False
    notes: tuple[str, ...] = ()


def conditions_of(
    adapter: Adapter, tensors: Tensors, autocast: Autocast = "none", tf32: bool = False
) -> Conditions:
    """What the spec declares, corrected by what the batch shows.

    What a network computed under autocast lies on the lowered dtype's grid, though it is stored as
    float32; what it computed in float32 does not.

    Args:
        adapter: whose `lowered` outputs are looked at.
        tensors: the batch.
        autocast, tf32: as declared.
    """
    notes = []
    for name in (n for n in adapter.lowered if n in tensors):
        seen = grid_of(tensors[name])
        if seen is not None and seen != autocast:
            told = "no autocast" if autocast == "none" else f"autocast to {autocast}"
            what = "on no coarser grid than float32's" if seen == "none" else f"on {seen}'s grid"
            how = "without" if seen == "none" else f"with autocast to {seen}"
            notes.append(f"the spec declares {told}, but {name} lies {what}: replayed {how}")
            autocast = seen
    if autocast != "none":
        notes.append(f"autocast to {autocast}")
    if tf32:
        notes.append("convolutions may have taken TF32 inputs, as cuDNN's do by default")
    return Conditions(autocast, tf32, tuple(notes))


def grid_of(tensor: Tensor) -> Autocast | None:
    """The grid that float32 values lie on; None where that cannot be told."""
    import torch

    if tensor.dtype != torch.float32:
        return None
    values = tensor[tensor != 0]
    if values.numel() < LEAST_VALUES:
        return None
    for name in ("bfloat16", "float16"):  # the coarser one first: its values may lie on both
        if torch.equal(values.to(getattr(torch, name)).float(), values):
            return name
    return "none"


def active_dropout(models: Models) -> list[str]:
    """Dropout layers that draw, as "unet.dropout (p=0.1)"; functional ones are not seen."""
    from torch.nn.modules.dropout import _DropoutNd

    def of(name: str, network: Module) -> list[str]:
        return [
            f"{name}.{path} (p={module.p:g})"
            for path, module in network.named_modules()
            if isinstance(module, _DropoutNd) and module.training and module.p > 0
        ]

    return [found for name, network in models.networks.items() for found in of(name, network)]


def randomness(adapter: Adapter, models: Models, tensors: Tensors) -> list[str]:
    """What a replay has to draw, since the batch does not hold it; each a sentence."""
    found = []
    if drawn := adapter.draws(tensors):
        found.append(f"{listed(drawn)} are sampled and not in the batch")
    if dropout := active_dropout(models):
        found.append(f"dropout is active: {listed(dropout, 3)}")
    return found
