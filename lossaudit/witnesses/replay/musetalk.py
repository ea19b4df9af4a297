"""What both MuseTalk adapters do: encode, add positions, predict latents, decode.

The order of operations is that of TMElyralab/MuseTalk's training code.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.adapter import PassOptions, shape_of
from lossaudit.witnesses.replay.forward_pass import in_dtype, in_pieces

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


def encode_positions(length: int, width: int) -> Tensor:
    """Sinusoidal positional encoding, (length, width): sines in even columns, cosines in odd.

    Rounding:
        In float32, as in training: the rounded values are the network's input.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
    """
    import torch

    position = torch.arange(length).unsqueeze(1)
    angle = position * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=2).reshape(length, width)


def posterior(vae: Any, images: Tensor, half: bool) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the latents of images, unscaled.

    Args:
        vae: in float32, left as it is.
        images: (B, 3, H, W), in [-1, 1].
        half: encode in float16, as a VAE after `.half()` does; else in the images' dtype.

    Returns:
        Each (B, 4, h, w), in the dtype that encoded.
    """
    import torch
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    encoder: Module = torch.nn.Sequential(vae.encoder, vae.quant_conv)
    if half:
        encoder, images = copy.deepcopy(encoder).half(), images.half()
    with in_dtype(encoder, str(images.dtype).removeprefix("torch."), whole=True):
        found = DiagonalGaussianDistribution(in_pieces(encoder, images))
    return found.mean, found.std


def predict_latents(unet: Any, unet_input: Tensor, heard: Tensor, options: PassOptions) -> Tensor:
    """The UNet's output at timestep 0, which is the predicted latent itself, not noise.

    Args:
        unet: in float32.
        unet_input: (B, in_channels, h, w), of any floating dtype.
        heard: (B, L, cross_attention_dim).
        options: under autocast the network is given what it is given; else both in `dtype`.

    Returns:
        (B, 4, h, w), in `dtype`; autocast's result is widened, as accelerate does.
    """
    import torch

    device = unet_input.device.type
    dtype = getattr(torch, options.dtype)
    lowered = None if options.autocast == "none" else getattr(torch, options.autocast)
    if lowered is None:
        unet_input, heard = unet_input.to(dtype), heard.to(dtype)
    if device == "cpu":  # the layout in which the float16 encoder leaves its latents on a CPU
        unet_input = unet_input.contiguous(memory_format=torch.channels_last)
    timestep = torch.tensor([0], device=unet_input.device)

    def run(unet_input: Tensor, heard: Tensor) -> Tensor:
        predicted: Tensor = unet(unet_input, timestep, encoder_hidden_states=heard).sample
        return predicted

    with in_dtype(unet, options.dtype), torch.autocast(device, lowered, lowered is not None):
        return in_pieces(run, unet_input, heard).to(dtype)


def decode_latents(vae: Any, latents: Tensor, options: PassOptions) -> Tensor:
    """Images from scaled latents, decoded in float32, or in `dtype`.

    MuseTalk multiplies by the rounded reciprocal of the scaling factor; that is no division.

    Args:
        vae: in float32.
        latents: (B, 4, h, w), scaled.

    Returns:
        (B, 3, H, W), about [-1, 1].
    """
    import torch

    unscaled = (1 / vae.config.scaling_factor) * latents.to(getattr(torch, options.dtype))
    decoder = torch.nn.ModuleList([vae.post_quant_conv, vae.decoder])
    with in_dtype(decoder, options.dtype, whole=True):
        return in_pieces(lambda piece: vae.decode(piece).sample, unscaled)


def joined_input(parts: Sequence[Tensor], channels: int, expected: str) -> Tensor:
    """The UNet's input, (B, channels, h, w).

    Raises:
        InputError: if the parts do not fit together, or are not as many channels as it takes.
    """
    import torch

    sizes = {(p.shape[0], *p.shape[2:]) for p in parts if p.dim() == 4}
    if len(sizes) != 1 or sum(p.shape[1] for p in parts if p.dim() == 4) != channels:
        raise InputError(
            f"the UNet takes {channels} channels and was given {', '.join(map(shape_of, parts))}",
            expected=expected,
        )
    return torch.cat(list(parts), dim=1)


def check_heard(unet: Any, name: str, heard: Tensor) -> None:
    """Refuse audio that the UNet's attention cannot take.

    Raises:
        InputError: unless it is (B, L, width).
    """
    width = unet.config.cross_attention_dim
    if heard.dim() != 3 or heard.shape[2] != width:
        raise InputError(f"{name} is {shape_of(heard)}", expected=f"(B, L, {width}) for this UNet")
