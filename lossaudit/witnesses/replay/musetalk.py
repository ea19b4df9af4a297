"""What both MuseTalk adapters are made of: networks from files, encoding, predicting, decoding.

The order of operations is that of TMElyralab/MuseTalk's training code; the networks are diffusers'.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lossaudit.errors import UsageError
from lossaudit.witnesses.replay.adapter import Models, PassOptions
from lossaudit.witnesses.replay.checkpoint import Checkpoint, load_into, open_checkpoint
from lossaudit.witnesses.replay.forward_pass import in_dtype, in_pieces
from lossaudit.witnesses.replay.network_config import build_network, read_config
from lossaudit.witnesses.replay.opened_file import OpenedFile

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


PUBLISHED_UNET: Mapping[str, Any] = {
    "sample_size": 64,
    "in_channels": 8,
    "out_channels": 4,
    "cross_attention_dim": 384,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "norm_num_groups": 32,
}
"""The networks that MuseTalk 1.0 and 1.5 publish (musetalk.json); the rest is diffusers' default.

849,947,844 parameters.
"""

PUBLISHED_VAE: Mapping[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "sample_size": 256,
    "scaling_factor": 0.18215,
}
"""sd-vae-ft-mse; 83,653,863 parameters."""

PARTS = {
    "vae": "folder of the VAE (config.json and weights), such as vae, sd-vae-ft-mse or sd-vae",
    "unet_config": "the UNet's config.json or musetalk.json; without it the published UNet",
}


# Networks -----------------------------------------------------------------------------------------


def load_networks(checkpoint: Checkpoint | None, parts: Mapping[str, str], device: str) -> Models:
    """The UNet of a checkpoint and its VAE, in float32.

    Args:
        checkpoint: of the UNet; None where only the decoder is needed.
        parts: as in `PARTS`; the VAE is always needed.
        device: where the networks are put.

    Raises:
        UsageError: if diffusers is not installed, or no VAE was named.
        InputError: if a file cannot be read, or weights and architecture do not fit.
    """
    diffusers = import_diffusers()
    if "vae" not in parts:
        raise UsageError("the VAE is needed and was not found", expected=PARTS["vae"])
    stored, notes = open_checkpoint(parts["vae"]), []
    if not stored.config:
        notes.append("no config.json lies beside the VAE's weights: sd-vae-ft-mse is assumed")
    config = stored.config or PUBLISHED_VAE
    vae = _loaded(diffusers.AutoencoderKL, config, with_new_names(stored), stored.path)
    networks, weights, read = {"vae": vae.eval().to(device)}, [stored], []
    if checkpoint is not None:
        config, where, file = unet_config(checkpoint, parts.get("unet_config"))
        unet = _loaded(diffusers.UNet2DConditionModel, config, checkpoint, where)
        networks["unet"] = unet.train().to(device)  # as in training
        weights.append(checkpoint)
        read += [file] if file else []
        if config is PUBLISHED_UNET:
            notes.append("no config of the UNet was found: the published architecture is assumed")
    return Models(networks, device, tuple(weights), tuple(read), tuple(notes))


def import_diffusers() -> Any:
    """The package, of the extra `musetalk`.

    Raises:
        UsageError: if it, or what it needs, is not installed.
    """
    try:
        import diffusers
    except ModuleNotFoundError as error:
        raise UsageError(
            f"MuseTalk's networks need {error.name}, which is not installed",
            hint='pip install "lossaudit[musetalk]"',
        ) from None
    return diffusers


def unet_config(
    checkpoint: Checkpoint, path: str | None
) -> tuple[Mapping[str, Any], str, OpenedFile | None]:
    """The UNet's architecture, where it is from, and the file that was read for it, if any."""
    if path is not None:
        config, file = read_config(path)
        return config, path, file
    return checkpoint.config or PUBLISHED_UNET, checkpoint.path, None


def _loaded(
    kind: type[Module], config: Mapping[str, Any], checkpoint: Checkpoint, where: str
) -> Module:
    """A network with a checkpoint's weights, mapped where they are float32 already."""
    network: Module = load_into(lambda: build_network(kind, config, where), checkpoint)
    return network.float().requires_grad_(False)


_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def with_new_names(checkpoint: Checkpoint) -> Checkpoint:
    """The same weights by the names that diffusers gives a VAE's attention since 0.16.

    sd-vae-ft-mse is older, and so are its `mid_block.attentions.0.query.weight` and the like.
    """
    pattern = re.compile(r"(mid_block\.attentions\.\d+)\.(query|key|value|proj_attn)\.")
    renamed = {
        pattern.sub(lambda m: f"{m[1]}.{_OLD_NAMES[m[2]]}.", name): tensor
        for name, tensor in checkpoint.tensors.items()
    }
    return replace(checkpoint, tensors=renamed)


# Passes -------------------------------------------------------------------------------------------


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
