"""The tiny MuseTalk recipe trained for a few steps on some device, as a run's folder to audit."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from lossaudit.recorder import Recorder

FIXTURE = Path(__file__).parents[2] / "fixtures" / "musetalk-tiny"
MAIN = FIXTURE / "runs" / "main"
SEED = 31
SAVED = 8
"""The step after whose update the weights are kept, so that the batch of the next one is replayed
from them."""

Weigh = Callable[[Any, Any], Any]


def weighed(loss_lip: Any, loss_latents: Any) -> Any:
    """MuseTalk's formula."""
    return 2.0 * loss_lip + loss_latents


def train(
    folder: Path,
    device: str,
    weigh: Weigh = weighed,
    autocast: torch.dtype | None = None,
    kept: Iterable[str] = (),
) -> None:
    """Train up to the step after the checkpoint, and record step 1 and that one.

    Args:
        folder: the run's, made here: log.jsonl, checkpoint-8, batches, record, the VAE, the UNet's
            config and the spec of the fixture.
        device: such as "cpu" or "cuda:0".
        weigh: the total that is optimised and logged.
        autocast: to what the UNet's forward pass is lowered, as accelerate's mixed precision does.
        kept: the tensors of a batch; all that there are where none is named.
    """
    sys.path.insert(0, str(FIXTURE))
    from diffusers import AutoencoderKL
    from faces import draw_batch, render_clips
    from recipe import build_unet, compute_terms, freeze_vae, predict
    from safetensors.torch import save_file

    torch.manual_seed(SEED)
    clips, order = render_clips(SEED), torch.Generator().manual_seed(SEED)
    vae = freeze_vae(AutoencoderKL.from_pretrained(MAIN / "vae").to(device))
    unet = build_unet().train().to(device)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=2e-3)
    recorder = Recorder(folder, every=SAVED, producer="tests/replay/tiny_training.py")
    log = []
    for step in range(1, SAVED + 2):
        batch = {name: tensor.to(device) for name, tensor in draw_batch(clips, 4, order).items()}
        recorder.begin(step)
        # what the recipe makes without naming a device is made on this one
        with torch.device(device):
            seen = predict(lowered(unet, autocast), vae, batch)
        loss_lip, loss_latents = compute_terms(seen, torch.float32)
        total = weigh(loss_lip, loss_latents)
        terms = {"loss_lip": loss_lip, "loss_latents": loss_latents}
        recorder.record(
            step, total, terms, {n: t for n, t in seen.items() if not kept or n in kept}
        )
        total.backward()
        optimizer.step()
        optimizer.zero_grad()
        numbers = {name: term.item() for name, term in terms.items()}
        log.append({"step": step, "loss": total.item(), **numbers})
        if step == SAVED:
            path = folder / f"checkpoint-{step}" / "model.safetensors"
            path.parent.mkdir()
            save_file({n: t.contiguous().cpu() for n, t in unet.state_dict().items()}, path)
    assert recorder.lost == ()
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    shutil.copytree(MAIN / "vae", folder / "vae")
    shutil.copytree(MAIN / "unet", folder / "unet")
    shutil.copy(MAIN / "lossaudit.yaml", folder)


def lowered(unet: Any, autocast: torch.dtype | None) -> Callable[..., Any]:
    """The UNet as accelerate wraps it: its pass under autocast, what it gives widened again."""
    if autocast is None:
        found: Callable[..., Any] = unet
        return found

    def run(unet_input: Any, timestep: Any, encoder_hidden_states: Any) -> Any:
        heard = encoder_hidden_states.to(autocast)
        with torch.autocast(unet_input.device.type, autocast):
            given = unet(unet_input, timestep, encoder_hidden_states=heard)
        given.sample = given.sample.float()
        return given

    return run
