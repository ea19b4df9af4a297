"""The fixture's networks and batches, loaded once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from torch import Tensor

from lossaudit.spec.load import load_spec
from lossaudit.witnesses.replay.adapter import Models, load_adapter
from lossaudit.witnesses.replay.batch import SampleBatch, read_batch
from lossaudit.witnesses.replay.checkpoint import open_checkpoint

MAIN = Path(__file__).parents[3] / "fixtures" / "musetalk-tiny" / "runs" / "main"
PARTS = {"vae": str(MAIN / "vae"), "unet_config": str(MAIN / "unet" / "config.json")}
ADAPTER = load_adapter("musetalk-v1")
DEFINITIONS = {
    name: definition
    for name, definition in load_spec("musetalk-v1").terms.items()
    if name in ("loss_lip", "loss_latents")
}


@cache
def models(step: int | None = 300, device: str = "cpu") -> Models:
    """The networks with the weights after a step, or the VAE alone."""
    checkpoint = None if step is None else open_checkpoint(str(MAIN / f"checkpoint-{step}"))
    return ADAPTER.load(checkpoint, PARTS, device)


@cache
def sample_batch(step: int) -> SampleBatch:
    """The batch of a step."""
    return read_batch(str(MAIN / "batches" / f"step-{step:06d}.safetensors"))


def batch(step: int) -> dict[str, Tensor]:
    """Its tensors."""
    return dict(sample_batch(step).tensors)


def without(tensors: dict[str, Tensor], *words: str) -> dict[str, Tensor]:
    """The tensors whose names hold none of these words."""
    return {n: t for n, t in tensors.items() if not any(word in n for word in words)}
