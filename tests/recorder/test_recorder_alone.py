"""The recorder needs torch and safetensors and nothing else, and the fixture is made with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from recorded import batch_of, columns_of

from lossaudit.audit import check_logs
from lossaudit.recorder import restore_random_state
from lossaudit.spec.load import load_spec

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "fixtures" / "musetalk-tiny"
RUN = FIXTURE / "runs" / "main"
STEPS = [1, 101, 300, 301, 400]

RECORD = """
import sys
{before}
import lossaudit.recorder
print(*sys.modules)
import safetensors.torch, torch
known = set(sys.modules)
recorder = lossaudit.recorder.Recorder({folder!r}, every=1)
recorder.begin(1)
recorder.record(1, torch.ones(()), {{"a": torch.ones(())}}, {{"x": torch.ones(3)}})
assert not recorder.lost
print(*sorted(set(sys.modules) - known))
"""


def modules(folder: Path, before: str = "") -> list[set[str]]:
    """Modules after the import, and those that recording adds to torch's and safetensors'."""
    code = RECORD.format(folder=str(folder), before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [set(line.split()) for line in done.stdout.split("\n")[:2]]


def test_recorder_needs_torch_and_safetensors_only(tmp_path: Path) -> None:
    imported, added = modules(tmp_path)
    heavy = {"torch", "numpy", "rich", "typer", "msgspec", "yaml", "polars", "safetensors"}
    assert not imported & heavy
    ours = {m for m in imported | added if m.startswith("lossaudit")}
    assert {m.split(".")[1] for m in ours if "." in m} == {"errors", "recorder"}
    foreign = {m.split(".")[0] for m in added} - set(sys.stdlib_module_names)
    assert foreign <= {"torch", "lossaudit", "numpy"}  # torch and safetensors need numpy


def test_the_import_test_can_fail(tmp_path: Path) -> None:
    imported, _ = modules(tmp_path, before="import rich")
    assert "rich" in imported


def test_fixtures_records_are_its_log() -> None:
    log = columns_of(RUN / "log.jsonl")
    found = columns_of(RUN / "record" / "terms.jsonl")
    assert found["step"] == STEPS
    for tag, logged in (("total", "loss"), ("loss_lip", "loss_lip"), ("loss_latents",) * 2):
        assert found[tag] == [log[logged][step - 1] for step in STEPS]
    weights = columns_of(RUN / "record" / "weights.jsonl")
    assert weights == {"step": STEPS, "loss_lip": [2.0] * 5, "loss_latents": [1.0] * 5}


def test_fixtures_records_pass_as_any_log_with_terms_does() -> None:
    result = check_logs(load_spec("musetalk-v1"), [str(RUN / "record" / "terms.jsonl")])
    assert (result.verdict.name, result.witnesses[0].decided) == ("PASS", 5)


@pytest.mark.parametrize("step", STEPS)
def test_fixtures_batch_holds_its_record_and_its_terms(step: int) -> None:
    metadata, tensors = batch_of(RUN / "batches" / f"step-{step:06d}.safetensors")
    log = columns_of(RUN / "log.jsonl")
    assert metadata["total"] == repr(log["loss"][step - 1])
    assert json.loads(metadata["weights"]) == {"loss_lip": 2.0, "loss_latents": 1.0}
    lower = (tensors["image_pred_img"] - tensors["image"])[:, :, 16:].abs().mean()
    latents = (tensors["image_pred"] - tensors["latents"]).abs().mean()
    assert lower.item() == pytest.approx(log["loss_lip"][step - 1], rel=1e-6)
    assert latents.item() == pytest.approx(log["loss_latents"][step - 1], rel=1e-6)


@pytest.mark.skipif(
    not torch.__version__.startswith("2.13."),
    reason="another torch draws other float16 numbers from the fixture's state",
)
@pytest.mark.parametrize("step", [1, 301])
def test_fixtures_random_state_draws_its_latents_again(step: int) -> None:
    diffusers = pytest.importorskip("diffusers", reason="extra `musetalk` is not installed")
    metadata, tensors = batch_of(RUN / "batches" / f"step-{step:06d}.safetensors")
    encoder = diffusers.AutoencoderKL.from_pretrained(RUN / "vae").half().eval()

    def sampled(name: str) -> torch.Tensor:
        with torch.no_grad():
            posterior = encoder.encode(tensors[name].half()).latent_dist
            return posterior.sample() * encoder.config.scaling_factor

    before = torch.get_rng_state()
    try:
        restore_random_state(metadata["rng"])
        again = [sampled(name) for name in ("image", "masked_image", "ref_image")]
        other = sampled("image")
    finally:
        torch.set_rng_state(before)
    for found, name in zip(again, ("latents", "masked_latents", "ref_latents"), strict=True):
        # another machine's float16 convolutions differ in the last bits, another draw by 0.1
        torch.testing.assert_close(found, tensors[name], rtol=0, atol=5e-3)
    assert (other - tensors["latents"]).abs().max() > 0.02
