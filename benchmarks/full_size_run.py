"""A MuseTalk 1.0 run at full size with random weights, and diffusers alone on its files.

    python benchmarks/full_size_run.py FOLDER [DEVICE]

loads, runs the UNet and decodes, with nothing of ours. `replay_full_size.py` and `replay_on_gpu.py`
make the run and compare with this process.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SMALL = {"block_out_channels": (32, 64, 64, 64)}
"""Of both networks, where only the scripts are to be tried."""

BATCH = "batches/step-000002.safetensors"


def write_safetensors(path: Path, tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Tensor by tensor: the library's own writer holds all of them twice."""
    names = {"torch.float32": "F32", "torch.float16": "F16"}
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.nbytes
        shape = list(tensor.shape)
        header[name] = {
            "dtype": names[str(tensor.dtype)],
            "shape": shape,
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.contiguous().numpy().data)


def make(folder: Path, is_small: bool = False, samples: int = 1) -> None:
    """A run: checkpoint-1 and the VAE as diffusers' folders, the batch of step 2."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from lossaudit.witnesses.replay.musetalk_networks import PUBLISHED_UNET, PUBLISHED_VAE

    torch.manual_seed(80)
    small = SMALL if is_small else {}
    unet = UNet2DConditionModel(**PUBLISHED_UNET | small)
    vae = AutoencoderKL(**PUBLISHED_VAE | small)
    for name, network in {"checkpoint-1": unet, "vae": vae}.items():
        path = folder / name / "diffusion_pytorch_model.safetensors"
        write_safetensors(path, network.state_dict(), {"format": "pt"})
        network.save_config(folder / name)
    batch = {
        "image": torch.rand(samples, 3, 256, 256) * 2 - 1,
        "audio_feature": torch.randn(samples, 50, 384),
        **{
            n: torch.randn(samples, 4, 32, 32).half()
            for n in ("latents", "masked_latents", "ref_latents")
        },
    }
    write_safetensors(folder / BATCH, batch, {"step": "2"})


def bare(networks: Mapping[str, Any], batch: Mapping[str, Any], autocast: Any = None) -> Any:
    """UNet and decoder, as a script with diffusers alone runs them; the UNet under autocast."""
    import torch

    latents = torch.cat([batch["masked_latents"], batch["ref_latents"]], dim=1).float()
    heard, vae = batch["audio_feature"], networks["vae"]
    step = torch.tensor([0], device=latents.device)
    with torch.inference_mode():
        with torch.autocast(latents.device.type, autocast, autocast is not None):
            predicted = networks["unet"](latents, step, encoder_hidden_states=heard).sample.float()
        return vae.decode((1 / vae.config.scaling_factor) * predicted).sample


def main() -> None:
    """A script of somebody who has diffusers and the run's folder."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import load_file

    folder, device = Path(sys.argv[1]), (*sys.argv[2:], "cpu")[0]
    networks = {
        "unet": UNet2DConditionModel.from_pretrained(folder / "checkpoint-1").to(device),
        "vae": AutoencoderKL.from_pretrained(folder / "vae").to(device),
    }
    print(bare(networks, load_file(folder / BATCH, device)).mean().item())


if __name__ == "__main__":
    main()
