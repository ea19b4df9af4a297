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
from lossaudit.witnesses.replay.names import shown

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

SAMPLES_AT_ONCE = 8
"""A batch of 256 frames of 256x256 would take some 80 GB in MuseTalk's decoder; 8 take 3."""


@contextmanager
def running(options: PassOptions, device: str) -> Iterator[None]:
    """No gradients, random numbers and TF32 as the options want them."""
    import torch

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        stack.enter_context(seeded(options, device))
        if device.startswith("cuda"):
            # cuDNN's own default is TF32; matrix products are left in float32, torch's default.
            # Of its algorithms only those that give the same sums each time: decisions/0021.
            flags = torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=options.tf32
            )
            stack.enter_context(flags)
        elif options.tf32:
            stack.enter_context(_rounded_convolutions())
        yield


@contextmanager
def told_with_shapes(tensors: Tensors) -> Iterator[None]:
    """What torch refuses to compute from somebody's tensors, or for lack of memory, as an error.

    Raises:
        InputError: in place of torch's RuntimeError, with the shapes of all tensors.
    """
    try:
        yield
    except RuntimeError as error:
        shapes = ", ".join(f"{shown(n)} {shape_of(t)}" for n, t in sorted(tensors.items()))
        raise InputError(
            f"the networks cannot be run on this batch: {escape_text(clip(str(error), 300))}",
            expected=f"tensors of one step that fit together; there are {shapes}",
        ) from error


@contextmanager
def _rounded_convolutions() -> Iterator[None]:
    """Convolutions whose inputs have TF32's 10 bits after the leading one, on any device.

    Source:
        NVIDIA A100 architecture paper (2020): TF32 multiplies 10-bit mantissas and adds in float32.
    """
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    convolutions = {functional.conv1d, functional.conv2d, functional.conv3d}

    class Rounded(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if func in convolutions:
                args = (to_tf32(args[0]), to_tf32(args[1]), *args[2:])
            return func(*args, **(kwargs or {}))

    with Rounded():
        yield


def to_tf32(tensor: Tensor) -> Tensor:
    """Float32 values rounded to TF32's grid, to nearest, ties to even; other dtypes as they are."""
    import torch

    if tensor.dtype != torch.float32:
        return tensor
    dropped = 13
    bits = tensor.contiguous().view(torch.int32)
    ties = (1 << (dropped - 1)) - 1 + ((bits >> dropped) & 1)
    rounded = (bits + ties) & ~((1 << dropped) - 1)
    return torch.where(tensor.isfinite(), rounded.view(torch.float32), tensor)


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
    """torch's random state as the options want it; afterwards as it was before."""
    import torch

    on_cuda = device.startswith("cuda")
    with torch.random.fork_rng([device] if on_cuda else []):
        torch.manual_seed(options.draw)
        state = stored_state(options.rng, device) if options.rng else None
        if state is not None and on_cuda:
            torch.cuda.set_rng_state(state, device)
        elif state is not None:
            torch.set_rng_state(state)
        yield


def stored_state(text: str, device: str) -> Tensor | None:
    """The state of the generator that a device draws from, out of a batch's `rng`.

    Args:
        text: the recorder's JSON: {"torch": base64, "cuda": [base64, ...], ...}.
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
        chosen = of_devices[int(device.partition(":")[2] or 0)] if on_cuda else state["torch"]
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
