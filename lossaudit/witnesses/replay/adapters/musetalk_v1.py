"""MuseTalk 1.0, `train_codes/train.py`: latents sampled in float16, frames decoded in float32.

    masked, reference -> float16 VAE, sampled -> cat -> UNet(audio + positions) = image_pred
    image_pred / scaling_factor -> float32 VAE = image_pred_img

Source:
    TMElyralab/MuseTalk, branch train_codes at 4724ed8, train.py lines 480 to 575.
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
)
from lossaudit.witnesses.replay.forward_pass import running, told_with_shapes
from lossaudit.witnesses.replay.musetalk import (
    check_heard,
    decode_latents,
    encode_positions,
    joined_input,
    posterior,
    predict_latents,
)
from lossaudit.witnesses.replay.musetalk_networks import PARTS, PLACES, load_networks

if TYPE_CHECKING:
    from torch import Tensor

DRAWN = {"latents": "image", "masked_latents": "masked_image", "ref_latents": "ref_image"}
"""What training sampled, in its order, and from which images."""

CONFIGS = ("musetalk/musetalk.json", "models/musetalk/musetalk.json")

READ = frozenset([*DRAWN, *DRAWN.values(), "audio_feature", "masks", "image_pred"])


def forward(
    models: Models, tensors: Tensors, depth: Depth, options: PassOptions | None = None
) -> dict[str, Tensor]:
    """Run one training step's forward pass.

    Args:
        models: of `load_networks`.
        tensors: of the batch: images (B, 3, H, W) in [-1, 1], `audio_feature` (B, L, width) without
            the positional encoding, latents (B, 4, h, w) scaled, `masks` (B, H, W) for a UNet with
            9 channels, and `image_pred` at depth "decoder".
        depth: "decoder" or "full".
        options: in which numbers.

    Returns:
        `image_pred_img`, the whole frame; at depth "full" `image_pred` as well, and the latents
        that the batch lacks, drawn anew.

    Raises:
        InputError: if a tensor is missing or has a shape that does not fit.
    """
    options = options or PassOptions()
    require(ADAPTER, depth, tensors)
    with told_with_shapes(tensors), running(options, models.device):
        given = {n: t.to(models.device) for n, t in tensors.items() if n in READ}
        vae = models.networks["vae"]
        if depth == "decoder":
            return {"image_pred_img": decode_latents(vae, given["image_pred"], options)}
        found = draw_latents(models, given, options)
        unet_input = unet_input_of(models, given | found)
        heard = heard_by(models, given["audio_feature"], options)
        predicted = predict_latents(models.networks["unet"], unet_input, heard, options)
        found["image_pred"] = predicted
        found["image_pred_img"] = decode_latents(vae, predicted, options)
        return found


def draw_latents(models: Models, given: Tensors, options: PassOptions) -> dict[str, Tensor]:
    """The latents that the batch lacks, drawn in training's order.

    On the CPU, so that every device draws the same, unless training's own random state is there.
    Encoded in float16 as in training, but not where the pass measures what that rounds away.
    """
    import torch

    vae: Any = models.networks["vae"]
    device = models.device if options.rng else "cpu"
    found = {}
    for name, source in DRAWN.items():
        if name in given and options.rng:  # training drew these too, and the next after them
            torch.randn(given[name].shape, dtype=torch.float16, device=device)
        if name in given or source not in given:
            continue
        mean, std = posterior(vae, given[source], half=options.dtype == "float32")
        noise = torch.randn(mean.shape, dtype=torch.float16, device=device).to(mean)
        found[name] = (mean + std * noise) * vae.config.scaling_factor
    return found


def unet_input_of(models: Models, given: Tensors) -> Tensor:
    """The UNet's input: masked and reference latents; the mask first where it takes 9 channels."""
    from torch.nn.functional import interpolate

    parts = [given["masked_latents"], given["ref_latents"]]
    unet: Any = models.networks["unet"]
    channels = unet.config.in_channels
    if channels == 9:
        if "masks" not in given:
            message = "a UNet with 9 input channels needs the masks"
            raise InputError(message, expected="masks (B, H, W)")
        height, width = given["masks"].shape[-2:]
        mask = given["masks"].reshape(-1, 1, height, width)
        parts.insert(0, interpolate(mask, size=(height // 8, width // 8)))
    expected = "masked_latents and ref_latents (B, 4, h, w), with masks (B, 8*h, 8*w) for 9"
    return joined_input(parts, channels, expected)


def heard_by(models: Models, audio_feature: Tensor, options: PassOptions) -> Tensor:
    """The audio feature with its positions; under autocast both are narrowed before they are added.

    `train.py` casts the feature and the encoding's buffer to the mixed precision's dtype.
    """
    import torch

    check_heard(models.networks["unet"], "audio_feature", audio_feature)
    dtype = getattr(torch, options.dtype if options.autocast == "none" else options.autocast)
    positions = encode_positions(*audio_feature.shape[1:]).to(audio_feature.device)
    return audio_feature.to(dtype) + positions.to(dtype)


ADAPTER = Adapter(
    name="musetalk-v1",
    about="MuseTalk 1.0: UNet, and a VAE that encodes in float16 and decodes in float32",
    inputs={
        "decoder": (("image_pred",),),
        "full": (
            ("audio_feature",),
            ("masked_latents", "masked_image"),
            ("ref_latents", "ref_image"),
            ("latents", "image"),
        ),
    },
    outputs={"decoder": ("image_pred_img",), "full": ("image_pred", "image_pred_img", "latents")},
    load=load_networks,
    forward=forward,
    parts=PARTS,
    places={**PLACES, "unet_config": (*CONFIGS, *PLACES["unet_config"])},
    sampled=tuple(DRAWN),
    lowered=("image_pred",),
)
