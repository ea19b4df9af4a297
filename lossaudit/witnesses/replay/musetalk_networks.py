"""MuseTalk's networks from files: a UNet of some checkpoint, and the VAE that it was trained with.

The classes are diffusers'; the sizes are those of a config file, or the published ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lossaudit.errors import InputError, UsageError
from lossaudit.witnesses.replay.adapter import Models
from lossaudit.witnesses.replay.checkpoint import Checkpoint, load_into, open_checkpoint
from lossaudit.witnesses.replay.names import shown
from lossaudit.witnesses.replay.network_config import build_network, read_config
from lossaudit.witnesses.replay.opened_file import OpenedFile

if TYPE_CHECKING:
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

PLACES = {
    "vae": (
        "vae",
        "sd-vae-ft-mse",
        "sd-vae",
        "models/sd-vae-ft-mse",
        "models/sd-vae",
        "models/sd-vae-ft-mse/vae",
    ),
    "unet_config": ("unet/config.json", "musetalk.json"),
}
"""Where the parts lie, from the run's folder; MuseTalk 1.0's train.py reads the VAE's subfolder."""

PARTS = {
    "vae": "folder of the VAE (config.json and weights), such as vae, sd-vae-ft-mse or sd-vae",
    "unet_config": "the UNet's config.json or musetalk.json; without it the published UNet",
}


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
    _check_scaling(config.get("scaling_factor", 0.18215), stored.path)
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


def _check_scaling(factor: Any, where: str) -> None:
    """Latents are divided by it."""
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 1e6:
        raise InputError(
            f"the VAE's scaling_factor is {shown(factor, 80)}",
            where=where,
            expected="a number above 0, such as 0.18215",
        )


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
