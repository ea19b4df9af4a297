"""A recorder beside a training on a GPU: it waits for the device on recorded steps alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import batch_of, columns_of

from lossaudit.recorder import Recorder, probe

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here"),
    pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype"),
]


@contextmanager
def without_waiting() -> Iterator[None]:
    """Waiting for the GPU is an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def step_of(recorder: Recorder, step: int, weight: Any, image: Any, **more: Any) -> Any:
    recorder.begin(step, {"image": image})
    predicted = weight * torch.rand_like(image)
    recorder.keep({"image_pred": predicted})
    lip, latents = (predicted - image).abs().mean(), predicted.square().mean()
    total = 2.0 * lip + latents
    recorder.record(step, total, {"lip": lip, "latents": latents}, {"mask": image > 0}, **more)
    return total


def parts() -> tuple[Any, Any]:
    random = torch.Generator("cuda").manual_seed(5)
    image = torch.randn(64, device="cuda", generator=random)
    return torch.ones(64, device="cuda", requires_grad=True), image


def test_steps_on_cuda_that_are_not_due_never_wait(tmp_path: Path) -> None:
    recorder, (weight, image) = Recorder(tmp_path, every=100), parts()
    with without_waiting():
        for step in range(2, 101):
            step_of(recorder, step, weight, image, gradients_at=[weight]).backward()
    assert list(tmp_path.iterdir()) == []
    with without_waiting(), pytest.raises(RuntimeError, match="synchroniz"):
        image.sum().item()  # the mode does find what waits


def test_the_random_state_is_taken_without_waiting(tmp_path: Path) -> None:
    recorder, (_, image) = Recorder(tmp_path, every=1), parts()
    torch.rand_like(image)
    with without_waiting():
        recorder.begin(1)
    assert recorder.lost == ()


def test_what_is_recorded_on_cuda_is_what_was_there(tmp_path: Path) -> None:
    recorder, (weight, image) = Recorder(tmp_path, every=1), parts()
    torch.cuda.manual_seed(8)
    total = step_of(recorder, 1, weight, image, gradients_at=[weight])
    assert recorder.lost == ()
    metadata, tensors = batch_of(tmp_path / "batches" / "step-000001.safetensors")
    assert {str(t.device) for t in tensors.values()} == {"cpu"}
    assert torch.equal(tensors["image"], image.cpu())
    assert columns_of(tmp_path / "record" / "terms.jsonl")["total"] == [total.item()]
    assert json.loads(metadata["weights"]) == {"lip": 2.0, "latents": 1.0}
    gradients = columns_of(tmp_path / "record" / "gradients.jsonl")
    assert all(g > 0 for name in ("lip", "latents") for g in gradients[name])
    told = json.loads(metadata["environment"])
    assert (told["device"], told["tf32_convolution"]) == ("cuda:0", "on")
    assert len(json.loads(metadata["rng"])["cuda"]) == torch.cuda.device_count()
    # the draw of the step, made again from what was kept
    from lossaudit.recorder import restore_random_state

    restore_random_state(metadata["rng"])
    drawn = weight.detach() * torch.rand_like(image)
    assert torch.equal(tensors["image_pred"], drawn.cpu())


def test_the_probe_on_cuda_is_exact(tmp_path: Path) -> None:
    weight, image = parts()
    lip, latents = (weight - image).abs().mean(), weight.square().mean()
    weights = torch.tensor([2.0, 0.1], device="cuda")
    total = weights[0] * lip + weights[1] * latents
    assert probe(total, {"lip": lip, "latents": latents}) == {
        "lip": 2.0,
        "latents": weights[1].item(),
    }
    assert weight.grad is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_on_cuda_is_told(dtype: torch.dtype, tmp_path: Path) -> None:
    recorder, (weight, image) = Recorder(tmp_path, every=1), parts()
    with torch.autocast("cuda", dtype):
        step_of(recorder, 1, weight, image)
    (line,) = (tmp_path / "record" / "environment.jsonl").read_text().splitlines()
    assert json.loads(line)["autocast"] == str(dtype).removeprefix("torch.")
