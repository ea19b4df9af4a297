"""Weights become a model without a second copy: built on the meta device, then assigned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.names import listed, shown

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


class Weights(Protocol):
    """What `load_into` needs of a checkpoint."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def tensors(self) -> Mapping[str, Tensor]: ...  # noqa: D102
    @property
    def prefix(self) -> str: ...  # noqa: D102


def load_into(build: Callable[[], Module], checkpoint: Weights) -> Module:
    """Build a model and give it the weights of a checkpoint, in the dtype in which they are stored.

    The parameters are the checkpoint's tensors themselves: mapped, never copied. Buffers that a
    checkpoint does not hold are computed as the model computes them.

    Args:
        build: makes the model, such as `lambda: UNet2DConditionModel.from_config(config)`; called
            once, or twice where the model has buffers of its own.
        checkpoint: every tensor of it must have a place, and every place a tensor.

    Returns:
        The model, on the CPU, in training mode as built.

    Raises:
        InputError: if names or shapes differ; all of them in one message.
    """
    import torch

    with torch.device("meta"):
        model = build()
    tensors = _tensors_for(model, checkpoint)
    model.load_state_dict(tensors, strict=False, assign=True)
    own = [n for n, b in model.named_buffers() if b.is_meta]
    if own:
        _copy_buffers(model, _built_without_values(build), own)
    return model


def _tensors_for(model: Module, checkpoint: Weights) -> dict[str, Tensor]:
    """The checkpoint's tensors by the model's names."""
    wanted: Mapping[str, Tensor] = model.state_dict()
    tensors = dict(checkpoint.tensors)
    if checkpoint.prefix and not any(name in wanted for name in tensors):
        tensors = {checkpoint.prefix + name: tensor for name, tensor in tensors.items()}
    for name, same in _tied(model).items():
        given = next((tensors[s] for s in same if s in tensors), None)
        if name not in tensors and given is not None:
            tensors[name] = given
    _check(wanted, tensors, checkpoint.path)
    return tensors


def _tied(model: Module) -> dict[str, list[str]]:
    """Parameters with several names, of which a file may hold one: name -> all names."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {name: same for same in names.values() if len(same) > 1 for name in same}


def _check(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], path: str) -> None:
    problems = []
    if missing := wanted.keys() - given.keys():
        problems.append(f"{len(missing):,} missing: {listed(missing)}")
    if unexpected := given.keys() - wanted.keys():
        problems.append(f"{len(unexpected):,} unexpected: {listed(unexpected)}")
    both = wanted.keys() & given.keys()
    if other := [n for n in sorted(both) if wanted[n].shape != given[n].shape]:
        first = other[0]
        problems.append(
            f"{len(other):,} of another shape: {listed(other)}; {shown(first)} has "
            f"{tuple(given[first].shape)}, the model wants {tuple(wanted[first].shape)}"
        )
    if problems:
        raise InputError(
            f"its {len(given):,} tensors are not those of the model: {'; '.join(problems)}",
            where=path,
            expected=f"the model's {len(wanted):,} names and shapes",
            hint="give the config that the weights were trained with, or name another checkpoint",
        )


def _built_without_values(build: Callable[[], Module]) -> Module:
    """The model once more, its parameters uninitialised: pages that nobody touches cost nothing."""
    from torch.overrides import TorchFunctionMode

    class WithoutInit(TorchFunctionMode):
        """Initialisers of torch.nn.init give back what they got."""

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if getattr(func, "__module__", "") == "torch.nn.init":
                return (kwargs or {}).get("tensor", args[0] if args else None)
            return func(*args, **(kwargs or {}))

    with WithoutInit():
        return build()


def _copy_buffers(model: Module, computed: Module, names: list[str]) -> None:
    for name in names:
        owner, _, leaf = name.rpartition(".")
        values = computed.get_submodule(owner).get_buffer(leaf)
        setattr(model.get_submodule(owner), leaf, values)
