"""How a forward pass is run: in float64, under autocast, with TF32 inputs, in pieces of a batch."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from lossaudit.errors import InputError
from lossaudit.rendering.safe_text import clip, escape_text
from lossaudit.witnesses.replay.adapter import PassOptions, Tensors, shape_of
from lossaudit.witnesses.replay.device import is_of_device
from lossaudit.witnesses.replay.gpu_numerics import held
from lossaudit.witnesses.replay.names import shown
from lossaudit.witnesses.replay.tf32 import rounded_inputs

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

SAMPLES_AT_ONCE = 8
"""A batch of 256 frames of 256x256 would take some 80 GB in MuseTalk's decoder; 8 take 3.

That is of activations. On a GPU cuDNN takes work memory besides, as it finds it.
"""


@contextmanager
def running(options: PassOptions, device: str) -> Iterator[None]:
    """No gradients, random numbers and TF32 as the options want them."""
    import torch

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        stack.enter_context(seeded(options, device))
        if device.startswith("cuda"):
            stack.enter_context(held(options.tf32, options.tf32_products))
        elif options.tf32 or options.tf32_products:
            stack.enter_context(rounded_inputs(options.tf32, options.tf32_products))
        yield


@contextmanager
def told_with_shapes(tensors: Tensors) -> Iterator[None]:
    """What torch refuses to compute from somebody's tensors as an error.

    Raises:
        InputError: in place of torch's RuntimeError, with the shapes of all tensors.
    """
    try:
        yield
    except RuntimeError as error:
        if is_of_device(error):
            raise
        shapes = ", ".join(f"{shown(n)} {shape_of(t)}" for n, t in sorted(tensors.items()))
        raise InputError(
            f"the networks cannot be run on this batch: {escape_text(clip(str(error), 300))}",
            expected=f"tensors of one step that fit together; there are {shapes}",
        ) from error


@contextmanager
def in_dtype(network: Module, dtype: str, whole: bool = False) -> Iterator[None]:
    """Run a float32 network in float64, without keeping a second copy of its weights.

    Args:
        network: its parameters and buffers are the same objects again afterwards.
        dtype: "float64"; with "float32" nothing happens.
        whole: convert everything at once, for networks that look at their own dtype (diffusers'
            decoder casts its activations to it); else layer by layer, while a layer runs.
    """
    if dtype != "float64":
        yield
        return
    kept: dict[Module, tuple[Any, Any]] = {}

    def widen(module: Module, *_: object) -> None:
        kept[module] = (module._parameters, module._buffers)
        module._parameters = {n: _doubled(t) for n, t in module._parameters.items()}
        module._buffers = {n: _doubled(t) for n, t in module._buffers.items()}

    def restore(module: Module, *_: object) -> None:
        module._parameters, module._buffers = kept.pop(module)

    def restore_all() -> None:
        for module in list(kept):
            restore(module)

    own = [m for m in network.modules() if m._parameters or m._buffers]
    with ExitStack() as stack:
        stack.callback(restore_all)
        for module in own:
            if whole:
                widen(module)
            else:
                stack.callback(module.register_forward_pre_hook(widen).remove)
                stack.callback(module.register_forward_hook(restore).remove)
        yield


def _doubled(tensor: Any) -> Any:
    import torch

    if tensor is None or not tensor.is_floating_point():
        return tensor
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(tensor.detach().double(), requires_grad=False)
    return tensor.double()


@contextmanager
def seeded(options: PassOptions, device: str) -> Iterator[None]:
    """torch's random state as the options want it; afterwards as it was before.

    `torch.manual_seed` would seed every GPU of the process, also those of somebody's training.
    """
    import torch

    on_cuda = device.startswith("cuda")
    with torch.random.fork_rng([device] if on_cuda else []):
        torch.default_generator.manual_seed(options.draw)
        if on_cuda:
            number = torch.device(device).index or 0
            torch.cuda.default_generators[number].manual_seed(options.draw)
        state = stored_state(options.rng, device) if options.rng else None
        if state is not None and on_cuda:
            torch.cuda.set_rng_state(state, device)
        elif state is not None:
            torch.set_rng_state(state)
        yield


def stored_state(text: str, device: str) -> Tensor | None:
    """The state of the generator that a device draws from, out of a batch's `rng`.

    Args:
        text: the recorder's JSON: {"torch": base64, "cuda": [base64], ...}, of GPUs the one that
            training drew on; see `stored_draws`.
        device: of the replay.

    Returns:
        None where the text has no such state, or where training drew on another kind of device.
    """
    import torch

    try:
        state = json.loads(text)
        on_cuda, of_devices = device.startswith("cuda"), state.get("cuda", [])
        if on_cuda != bool(of_devices):
            return None
        (chosen,) = of_devices if on_cuda else (state["torch"],)
        found = torch.frombuffer(bytearray(b64decode(chosen, validate=True)), dtype=torch.uint8)
        torch.Generator(device).set_state(found)
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, RecursionError):
        return None
    return found


def in_pieces(run: Callable[..., Tensor], *batches: Tensor) -> Tensor:
    """`run` on a few samples at a time, in order, and the results joined along the batch."""
    import torch

    count = len(batches[0])
    if count <= SAMPLES_AT_ONCE:
        return run(*batches)
    starts = range(0, count, SAMPLES_AT_ONCE)
    return torch.cat([run(*(b[at : at + SAMPLES_AT_ONCE] for b in batches)) for at in starts])
