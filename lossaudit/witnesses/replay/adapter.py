"""What a model adapter is: a plugin that runs a training step's forward pass again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from lossaudit import registry
from lossaudit.errors import InputError, UsageError
from lossaudit.model.replay import Depth, StoredFile

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from lossaudit.witnesses.replay.checkpoint import Checkpoint
    from lossaudit.witnesses.replay.opened_file import OpenedFile

Autocast = Literal["none", "float16", "bfloat16"]
Tensors = Mapping[str, "Tensor"]


class PassOptions(Struct, frozen=True):
    """In which numbers one forward pass is run.

    Attributes:
        dtype: of weights and activations: "float32", or "float64" to measure float32's error.
        autocast: to what `torch.autocast` lowered matrix products and convolutions in training.
        tf32: convolutions take TF32 inputs, as cuDNN's do by default on GPUs since Ampere.
        tf32_products: matrix products do, which training has to ask for.
        draw: number of the draw, for what the pass samples; the same number draws the same.
        rng: the random state before the step, as the recorder writes it; then `draw` means nothing.
    """

    dtype: Literal["float32", "float64"] = "float32"
    autocast: Autocast = "none"
    tf32: bool = False
    tf32_products: bool = False
    draw: int = 0
    rng: str = ""


class Models(Struct, frozen=True):
    """Networks ready to run on one device.

    Attributes:
        networks: by the adapter's names, such as unet and vae.
        device: such as "cpu" or "cuda:0".
        weights: everything that was loaded, such as the VAE and the checkpoint under audit.
        configs: files that were read besides those of `weights`.
        notes: what was assumed, for the report.
    """

    networks: Mapping[str, Module]
    device: str = "cpu"
    weights: tuple[Checkpoint, ...] = ()
    configs: tuple[OpenedFile, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def said(self) -> tuple[str, ...]:
        """What was assumed of the networks, and what was chosen of their files."""
        chosen = (f"{weights.path}: {note}" for weights in self.weights for note in weights.notes)
        return (*self.notes, *chosen)

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """Every file that was read, with its digest; waits for those that are not computed yet."""
        configs = (opened.stored() for opened in self.configs)
        return (*configs, *(file for weights in self.weights for file in weights.files))


class Adapter(Struct, frozen=True):
    """A model whose training step can be run again.

    Attributes:
        name: as in `--adapter NAME` and in a spec's `replay: {adapter: NAME}`.
        about: one line.
        inputs: what each depth needs of a batch: of every entry one tensor, in order of preference.
        outputs: which tensors each depth gives; empty where only running it tells.
        load: (checkpoint or None, {part: path}, device) -> networks; parts are what `parts` lists.
        forward: (networks, the batch's tensors, depth, options) -> the tensors that it computed, on
            the networks' device. What the batch has already is not computed again, unless it is an
            output of that depth.
        parts: {part: what it is}, of what the checkpoint does not hold.
        places: {part: where it may lie, from the run's folder, in order of preference}.
        cannot: {term: why this model does not give what it is computed from}.
        sampled: which tensors the pass draws at random where the batch lacks them.
        lowered: outputs that lie on the grid of autocast's dtype where training used it.
        notice: said to the user before anything is run; empty where nothing needs saying.
    """

    name: str
    about: str
    inputs: Mapping[Depth, tuple[tuple[str, ...], ...]]
    outputs: Mapping[Depth, tuple[str, ...]]
    load: Callable[[Checkpoint | None, Mapping[str, str], str], Models]
    forward: Callable[[Models, Tensors, Depth, PassOptions], dict[str, Tensor]]
    parts: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cannot: Mapping[str, str] = field(default_factory=dict)
    sampled: tuple[str, ...] = ()
    lowered: tuple[str, ...] = ()
    notice: str = ""

    def missing(self, depth: Depth, tensors: Tensors) -> list[str]:
        """What a batch lacks for a depth, each entry in words: "latents or image"."""
        return [
            " or ".join(names)
            for names in self.inputs.get(depth, ())
            if not any(name in tensors for name in names)
        ]

    def draws(self, tensors: Tensors) -> list[str]:
        """The tensors that have to be drawn at random, since the batch does not hold them."""
        return [name for name in self.sampled if name not in tensors]


def adapters() -> dict[str, Adapter]:
    """Every adapter by its name."""
    return registry.load("lossaudit.witnesses.replay.adapters", Adapter)


def load_adapter(name: str) -> Adapter:
    """The adapter of that name, or another project's model as `package.module:function`.

    Raises:
        UsageError: if there is none.
    """
    if ":" in name:
        from lossaudit.witnesses.replay.own_model import adapter_of

        return adapter_of(name)
    known = adapters()
    if name not in known:
        raise UsageError(
            f"no adapter is called {name!r}",
            expected=f"{', '.join(known)}, or package.module:function",
        )
    return known[name]


def find_parts(adapter: Adapter, folders: Iterable[str]) -> dict[str, str]:
    """{part: path}, as far as the parts lie at their usual places in one of some folders.

    Args:
        adapter: whose parts are looked for.
        folders: the run's, the checkpoint's and the like, in order of preference.
    """
    found: dict[str, str] = {}
    for folder in folders:
        for part, places in adapter.places.items():
            for path in (Path(folder, place) for place in places):
                if part not in found and path.exists():
                    found[part] = str(path)
    return found


def require(adapter: Adapter, depth: Depth, tensors: Tensors, where: str = "") -> None:
    """Refuse a batch that lacks what a depth needs.

    Raises:
        InputError: with everything that is missing.
    """
    if depth not in adapter.inputs:
        raise UsageError(
            f"{adapter.name} cannot replay at depth {depth!r}", expected=", ".join(adapter.inputs)
        )
    if lacking := adapter.missing(depth, tensors):
        raise InputError(
            f"depth {depth!r} of {adapter.name} lacks {'; '.join(lacking)}",
            where=where,
            expected=f"one tensor of each; there are {', '.join(sorted(tensors)) or 'none'}",
        )


def shape_of(tensor: Any) -> str:
    """(4, 8, 16, 16) float32, as messages show a tensor."""
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
