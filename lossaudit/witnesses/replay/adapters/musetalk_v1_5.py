"""MuseTalk 1.5, `train.py`: no latent is sampled, and the loss is on whole decoded frames.

    frames, lower half -1 -> VAE's mode -+-> cat -> UNet(audio) / scaling_factor -> VAE: image_pred
    ref_frames            -> VAE's mode -+

All of it in float32. Unlike in 1.0, and unlike in 1.5's own inference, `train.py` adds no
positional encoding to the audio. Dropout on the reference latents (`ref_dropout_rate`, 0 as
published) lies outside the networks and is not drawn here.

Of the loss, `l1_loss` is recomputed. The other terms need networks or inputs that neither a UNet's
checkpoint nor a batch of frames holds; see `CANNOT`.

Source:
    TMElyralab/MuseTalk, branch main at 0a89dec, train.py lines 270 to 330.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossaudit.errors import InputError
from lossaudit.model.replay import Depth
from lossaudit.witnesses.replay.adapter import (
    Adapter,
    Models,
    PassOptions,
    Tensors,
    require,
    shape_of,
)
from lossaudit.witnesses.replay.forward_pass import running, told_with_shapes
from lossaudit.witnesses.replay.musetalk import (
    check_heard,
    decode_latents,
    joined_input,
    posterior,
    predict_latents,
)
from lossaudit.witnesses.replay.musetalk_networks import PARTS, PLACES, load_networks

if TYPE_CHECKING:
    from torch import Tensor

READ = frozenset(
    ("frames", "ref_frames", "masked_latents", "ref_latents", "audio_prompts", "latents_pred")
)

CONFIGS = ("musetalkV15/musetalk.json", "models/musetalkV15/musetalk.json")

CANNOT = {
    "vgg_loss": "needs VGG-19's features of an image pyramid of both frames; given as tensors of "
    "the batch, a term of the kind feature_distance computes it from them",
    "gan_loss": "needs the face discriminator's weights at that step, which unet-N.pth lacks",
    "fm_loss": "needs the features of both discriminators, of the face and of the mouth",
    "loss_G_mouth": "needs the mouth discriminator's weights and the face mask",
    "sync_loss": "needs SyncNet, the mel spectrogram and all 16 frames of each clip",
}
"""What this adapter does not give, by the names of 1.5's terms."""


def forward(
    models: Models, tensors: Tensors, depth: Depth, options: PassOptions | None = None
) -> dict[str, Tensor]:
    """Run one training step's forward pass.

    Args:
        models: of `load_networks`.
        tensors: of the batch, clips and frames in one dimension: `frames` and `ref_frames`
            (B, 3, H, W) in [-1, 1] or their scaled latents (B, 4, h, w), `audio_prompts`
            (B, L, width), and at depth "decoder" `latents_pred` (B, 4, h, w): the UNet's output
            before it is divided by the scaling factor.
        depth: "decoder" or "full".
        options: in which numbers.

    Returns:
        `image_pred`, the whole frame, and at depth "full" `latents_pred`.

    Raises:
        InputError: if a tensor is missing or has a shape that does not fit.
    """
    options = options or PassOptions()
    require(ADAPTER, depth, tensors)
    with told_with_shapes(tensors), running(options, models.device):
        given = {n: t.to(models.device) for n, t in tensors.items() if n in READ}
        vae, found = models.networks["vae"], {}
        latents = given.get("latents_pred")
        if depth == "full" or latents is None:
            latents = predicted(models, given, options)
            found["latents_pred"] = latents
        return found | {"image_pred": decode_latents(vae, latents, options)}


def predicted(models: Models, given: Tensors, options: PassOptions) -> Tensor:
    """The UNet's output."""
    vae: Any = models.networks["vae"]
    unet: Any = models.networks["unet"]
    masked, reference = given.get("masked_latents"), given.get("ref_latents")
    if masked is None:
        masked = encoded(vae, lower_half_masked(given["frames"]), options)
    if reference is None:
        reference = encoded(vae, given["ref_frames"], options)
    expected = "masked_latents and ref_latents (B, 4, h, w)"
    unet_input = joined_input([masked, reference], unet.config.in_channels, expected)
    check_heard(unet, "audio_prompts", given["audio_prompts"])
    return predict_latents(unet, unet_input, given["audio_prompts"], options)


def lower_half_masked(frames: Tensor) -> Tensor:
    """The frames with rows H // 2 and below at -1, which is black."""
    if frames.dim() != 4:
        raise InputError(f"frames is {shape_of(frames)}", expected="(B, 3, H, W)")
    masked = frames.clone()
    masked[:, :, frames.shape[2] // 2 :] = -1
    return masked


def encoded(vae: Any, frames: Tensor, options: PassOptions) -> Tensor:
    """Scaled latents, the posterior's mode, which is its mean."""
    import torch

    mean, _ = posterior(vae, frames.to(getattr(torch, options.dtype)), half=False)
    scaling: float = vae.config.scaling_factor
    return mean * scaling


ADAPTER = Adapter(
    name="musetalk-v1.5",
    about="MuseTalk 1.5: UNet and VAE in float32, latents by mode; gives the whole decoded frame",
    inputs={
        "decoder": (("latents_pred",),),
        "full": (("audio_prompts",), ("masked_latents", "frames"), ("ref_latents", "ref_frames")),
    },
    outputs={"decoder": ("image_pred",), "full": ("latents_pred", "image_pred")},
    load=load_networks,
    forward=forward,
    parts=PARTS,
    places={**PLACES, "unet_config": (*CONFIGS, *PLACES["unet_config"])},
    cannot=CANNOT,
    lowered=("latents_pred",),
)
