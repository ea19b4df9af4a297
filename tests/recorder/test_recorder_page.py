"""The lines of docs/recorder.md do what it says, in a loop that rebinds as MuseTalk's does."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recorded import batch_of, columns_of

PAGE = (Path(__file__).parents[2] / "docs" / "recorder.md").read_text()


def five_lines() -> list[str]:
    """The numbered lines for MuseTalk 1.0."""
    section = PAGE.split("## MuseTalk 1.0: five lines")[1].split("\n## ")[0]
    return [
        textwrap.dedent(block)
        for block in re.findall(r"^ +```python\n(.*?)^ +```", section, re.DOTALL | re.MULTILINE)
    ]


@pytest.mark.parametrize("accumulation", [1, 4])
def test_five_lines_record_whole_tensors_of_the_logged_micro_batch(
    tmp_path: Path, accumulation: int
) -> None:
    lines = five_lines()
    assert len(lines) == 5
    loop: dict[str, Any] = {
        "args": SimpleNamespace(output_dir=tmp_path, checkpointing_steps=2),
        "accelerator": SimpleNamespace(sync_gradients=False),
        "global_step": 0,
    }
    logged = {}
    for line in lines[:2]:
        exec(line, loop)
    for micro in range(1, 3 * accumulation + 1):
        loop["accelerator"].sync_gradients = micro % accumulation == 0
        names = ("ref_image", "image", "masked_image", "audio_feature")
        loop |= {name: torch.rand(2, 3, 8, 8) for name in names}
        exec(lines[2], loop)
        names = ("latents", "masked_latents", "ref_latents")
        loop |= {name: torch.rand(2, 4, 2, 2).half() for name in names}
        loop["audio_feature"] = loop["audio_feature"] + 1
        loop["image_pred"] = torch.rand(2, 4, 2, 2, requires_grad=True)
        loop["image_pred_img"] = loop["image_pred"].repeat(1, 1, 4, 4)[:, :3]
        exec(lines[3], loop)
        for name in ("image", "image_pred_img"):
            loop[name] = loop[name][:, :, 4:]
        loop["loss_lip"] = (loop["image_pred_img"] - loop["image"]).abs().mean()
        loop["loss_latents"] = (loop["image_pred"] - loop["latents"].float()).abs().mean()
        loop["loss"] = 2.0 * loop["loss_lip"] + loop["loss_latents"]
        exec(lines[4], loop)
        loop["global_step"] += loop["accelerator"].sync_gradients
        logged.setdefault(loop["global_step"], loop["loss"].item())
    assert loop["recorder"].lost == ()
    found = columns_of(tmp_path / "record" / "terms.jsonl")
    assert found["step"] == [1, 3]
    assert found["total"] == [logged[1], logged[3]]
    metadata, tensors = batch_of(tmp_path / "batches" / "step-000003.safetensors")
    assert len(tensors) == 9
    assert tensors["image"].shape == tensors["image_pred_img"].shape == (2, 3, 8, 8)
    assert tensors["audio_feature"].max() < 1
    lower = (tensors["image_pred_img"] - tensors["image"])[:, :, 4:].abs().mean()
    assert lower.item() == pytest.approx(found["loss_lip"][1], rel=1e-6)
    assert metadata["weights"] == '{"loss_lip": 2.0, "loss_latents": 1.0}'
    assert "rng" in metadata
