"""In which numbers a forward pass was run in training: as declared, and as its tensors show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lossaudit.witnesses.replay.adapter import (
    Adapter,
    Autocast,
    Models,
    PassOptions,
    Tensors,
)
from lossaudit.witnesses.replay.names import listed

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

LEAST_VALUES = 64
"""Fewer values than this may lie on a coarse grid by chance, or by design."""


MAY_BE_TF32 = "convolutions may have taken TF32 inputs, as cuDNN's do by default"
TF32_PRODUCTS = "matrix products took TF32 inputs, as the batch says of its training"

FIRST_TF32 = 8
"""Compute capability of the first GPUs that have TF32; older ones ignore the flags."""

SAME_NUMBERS = 10.0
"""Other orders of float32 operations differ by up to 1.7 of what float64 does, TF32 by 400."""


class Conditions(Struct, frozen=True):
    """How training ran the pass, as far as that is known.

    Attributes:
        autocast: to what `torch.autocast` lowered it.
        tf32: convolutions may have taken TF32 inputs.
        tf32_products: matrix products did.
        notes: what was seen, for the report.
    """

    autocast: Autocast = "none"
    tf32: bool = False
    notes: tuple[str, ...] = ()
    tf32_products: bool = False


def conditions_of(
    adapter: Adapter,
    tensors: Tensors,
    autocast: Autocast = "none",
    tf32: bool = False,
    told: Mapping[str, str] | None = None,
) -> Conditions:
    """What the spec declares, corrected by what the batch shows, with the TF32 that it tells of.

    What a network computed under autocast lies on the lowered dtype's grid, though it is stored as
    float32; what it computed in float32 does not.

    Args:
        adapter: whose `lowered` outputs are looked at.
        tensors: the batch.
        autocast, tf32: as declared.
        told: what the batch says of the training's environment, as the recorder writes it.
    """
    notes = []
    has_tf32 = _generation(told or {}) >= FIRST_TF32
    tf32 = tf32 or (has_tf32 and (told or {}).get("tf32_convolution") == "on")
    products = has_tf32 and (told or {}).get("tf32_matmul") == "on"
    for name in (n for n in adapter.lowered if n in tensors):
        seen = grid_of(tensors[name])
        if seen is not None and seen != autocast:
            spec_says = "no autocast" if autocast == "none" else f"autocast to {autocast}"
            what = "on no coarser grid than float32's" if seen == "none" else f"on {seen}'s grid"
            how = "without" if seen == "none" else f"with autocast to {seen}"
            notes.append(f"the spec declares {spec_says}, but {name} lies {what}: replayed {how}")
            autocast = seen
    if autocast != "none":
        notes.append(f"autocast to {autocast}")
    if tf32:
        notes.append(MAY_BE_TF32)
    if products:
        notes.append(TF32_PRODUCTS)
    return Conditions(autocast, tf32, tuple(notes), products)


def _generation(told: Mapping[str, str]) -> int:
    """The first number of the GPU's compute capability; 0 where training says of none."""
    major = told.get("capability", "").partition(".")[0]
    return int(major) if major.isdecimal() and major.isascii() else 0


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


def with_tf32_seen(
    conditions: Conditions, adapter: Adapter, models: Models, tensors: Tensors
) -> Conditions:
    """The conditions without TF32, where a batch shows that training decoded without it.

    A decoder is the same at every step. So what it gave in training, and what it was given, tell
    in which numbers it ran, whatever the weights under audit are.

    Args:
        conditions: as declared.
        adapter, models: what decodes.
        tensors: the batch; nothing is told unless it holds what the decoder takes and gives.
    """
    names = [n for n in adapter.outputs.get("decoder", ()) if n in tensors]
    if not names or adapter.missing("decoder", tensors):
        return conditions
    one = {name: tensor[:1] for name, tensor in tensors.items() if tensor.dim()}
    ours = adapter.forward(models, one, "decoder", PassOptions())
    exact = adapter.forward(models, one, "decoder", PassOptions("float64"))
    for name in names:
        rounding = (ours[name].double() - exact[name]).abs().mean()
        apart = (ours[name].double() - one[name].to(exact[name])).abs().mean()
        if not apart <= SAME_NUMBERS * rounding:
            return conditions
    notes = [note for note in conditions.notes if note != MAY_BE_TF32]
    seen = f"{listed(names)} as stored: decoded in float32, without TF32"
    return replace(conditions, tf32=False, notes=(*notes, seen))


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
