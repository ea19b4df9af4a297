"""MuseTalk 1.0's forward pass, run again on the fixture's checkpoints and batches."""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from musetalk_samples import ADAPTER, MAIN, PARTS, batch, models, without
from torch import Tensor

from lossaudit.errors import InputError, UsageError
from lossaudit.witnesses.replay.adapter import Models, PassOptions
from lossaudit.witnesses.replay.checkpoint import open_checkpoint
from lossaudit.witnesses.replay.musetalk import encode_positions
from lossaudit.witnesses.replay.musetalk_networks import (
    PUBLISHED_UNET,
    PUBLISHED_VAE,
    with_new_names,
)
from lossaudit.witnesses.replay.network_config import build_network


def terms(tensors: dict[str, Tensor]) -> tuple[float, float]:
    """loss_lip and loss_latents, in float64."""
    half = tensors["image"].shape[2] // 2
    lip = tensors["image_pred_img"].double() - tensors["image"].double()
    latents = tensors["image_pred"].double() - tensors["latents"].double()
    return lip[:, :, half:].abs().mean().item(), latents.abs().mean().item()


def distance(a: Tensor, b: Tensor) -> float:
    """Largest difference, in units of the largest value."""
    return ((a.double() - b.double()).abs().max() / b.double().abs().max()).item()


@pytest.mark.parametrize(("checkpoint", "step"), [(100, 101), (300, 301)])
def test_forward_gives_what_training_stored(checkpoint: int, step: int) -> None:
    stored = batch(step)
    found = ADAPTER.forward(models(checkpoint), without(stored, "pred"), "full", PassOptions())
    assert set(found) == {"image_pred", "image_pred_img"}
    assert distance(found["image_pred"], stored["image_pred"]) < 1.3e-6
    assert distance(found["image_pred_img"], stored["image_pred_img"]) < 1.3e-6
    for ours, theirs in zip(terms(stored | found), terms(stored), strict=True):
        assert ours == pytest.approx(theirs, rel=1.5e-7)


def test_decoder_alone_gives_the_stored_frames_without_any_checkpoint() -> None:
    stored = batch(301)
    found = ADAPTER.forward(
        models(None), without(stored, "pred_img", "audio"), "decoder", PassOptions()
    )
    assert set(found) == {"image_pred_img"}
    assert distance(found["image_pred_img"], stored["image_pred_img"]) < 1e-6


def test_the_checkpoint_of_a_step_does_not_reproduce_that_step() -> None:
    stored = batch(300)
    found = ADAPTER.forward(models(300), without(stored, "pred"), "full", PassOptions())
    (lip, latents), (lip_then, latents_then) = terms(stored | found), terms(stored)
    assert (2 * lip + latents) / (2 * lip_then + latents_then) == pytest.approx(0.986, abs=1e-3)


def test_another_process_draws_the_same_latents_and_another_draw_others() -> None:
    seen = without(batch(301), "pred", "latents")
    first, again, other = (
        ADAPTER.forward(models(), seen, "full", PassOptions(draw=draw)) for draw in (0, 0, 1)
    )
    for name in ("latents", "masked_latents", "ref_latents", "image_pred"):
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])
    assert first["latents"].dtype == torch.float16
    assert terms(batch(301) | first) == pytest.approx(terms(batch(301)), rel=0.02)


def test_one_batch_in_pieces_gives_what_it_gives_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = without(batch(301), "pred")
    whole = ADAPTER.forward(models(), seen, "full", PassOptions())
    monkeypatch.setattr("lossaudit.witnesses.replay.forward_pass.SAMPLES_AT_ONCE", 3)
    pieces = ADAPTER.forward(models(), seen, "full", PassOptions())
    assert distance(pieces["image_pred_img"], whole["image_pred_img"]) < 4e-6


def test_float64_gives_float64_and_leaves_the_networks_as_they_were() -> None:
    seen, networks = without(batch(301), "pred"), models().networks
    before = {n: p.data_ptr() for net in networks.values() for n, p in net.named_parameters()}
    found = ADAPTER.forward(models(), seen, "full", PassOptions(dtype="float64"))
    assert {t.dtype for t in found.values()} == {torch.float64}
    after = {n: p.data_ptr() for net in networks.values() for n, p in net.named_parameters()}
    assert before == after
    single = ADAPTER.forward(models(), seen, "full", PassOptions())
    assert 1e-9 < distance(found["image_pred"], single["image_pred"]) < 2e-6


def test_a_mask_comes_first_in_nine_channels() -> None:
    seen = without(batch(301), "pred")
    seen["masks"] = torch.zeros(4, 128, 128)
    seen["masks"][:, 64:] = 1.0
    taken: list[Tensor] = []

    class NineChannels(torch.nn.Module):
        config = type("Config", (), {"in_channels": 9, "cross_attention_dim": 32})

        def forward(self, unet_input: Tensor, *_: Any, **__: Any) -> Any:
            taken.append(unet_input)
            return type("Output", (), {"sample": unet_input[:, 1:5]})

    nine = Models({"vae": models().networks["vae"], "unet": NineChannels()})
    ADAPTER.forward(nine, seen, "full", PassOptions())
    (unet_input,) = taken
    assert unet_input.shape == (4, 9, 16, 16)
    assert torch.equal(unet_input[:, 0, :8], torch.zeros(4, 8, 16))
    assert torch.equal(unet_input[:, 0, 8:], torch.ones(4, 8, 16))
    assert torch.equal(unet_input[:, 1:5], seen["masked_latents"].float())
    with pytest.raises(InputError, match="9 input channels needs the masks"):
        ADAPTER.forward(nine, without(seen, "masks"), "full", PassOptions())


def test_what_a_batch_lacks_is_said_at_once() -> None:
    with pytest.raises(InputError) as caught:
        ADAPTER.forward(models(), without(batch(301), "audio", "masked"), "full", PassOptions())
    assert str(caught.value) == (
        "depth 'full' of musetalk-v1 lacks audio_feature; masked_latents or masked_image\n"
        "  expected: one tensor of each; there are image, image_pred, image_pred_img, latents, "
        "ref_image, ref_latents"
    )


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("audio_feature", (4, 10, 31), r"audio_feature is \(4, 10, 31\) float32"),
        ("masked_latents", (4, 3, 16, 16), r"takes 8 channels and was given \(4, 3, 16, 16\)"),
        ("ref_latents", (3, 4, 16, 16), r"was given \(4, 4, 16, 16\) float16, \(3, 4, 16, 16\)"),
        ("ref_latents", (4, 4), r"\(4, 4\) float32"),
    ],
)
def test_shapes_that_do_not_fit_are_shown(name: str, change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ADAPTER.forward(models(), batch(301) | {name: torch.zeros(change)}, "full", PassOptions())


def test_without_diffusers_the_command_to_install_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(UsageError) as caught:
        ADAPTER.load(None, PARTS, "cpu")
    assert "need diffusers, which is not installed" in str(caught.value)
    assert 'try: pip install "lossaudit[musetalk]"' in str(caught.value)


def test_the_vae_has_to_be_named() -> None:
    with pytest.raises(UsageError, match="the VAE is needed and was not found"):
        ADAPTER.load(None, {}, "cpu")


def test_published_architectures_have_the_published_sizes() -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    def size(kind: Any, config: Any) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in build_network(kind, config, "").parameters())

    assert size(UNet2DConditionModel, PUBLISHED_UNET) == 849_947_844
    assert size(AutoencoderKL, PUBLISHED_VAE) == 83_653_863


def test_positions_are_sines_and_cosines() -> None:
    found = encode_positions(50, 384).double()
    for row, pair in [(0, 0), (7, 3), (49, 191)]:
        angle = row / 10000 ** (2 * pair / 384)
        assert found[row, 2 * pair] == pytest.approx(math.sin(angle), abs=5e-6)
        assert found[row, 2 * pair + 1] == pytest.approx(math.cos(angle), abs=5e-6)


def test_the_attention_of_older_vaes_is_found_by_its_newer_names() -> None:
    checkpoint = open_checkpoint(str(MAIN / "vae"))
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = dict(checkpoint.tensors)
    for new, name in old.items():
        for key in [k for k in tensors if f".attentions.0.{new}." in k]:
            tensors[key.replace(new, name)] = tensors.pop(key)
    from msgspec.structs import replace

    older = replace(checkpoint, tensors=tensors)
    assert older.tensors.keys() != checkpoint.tensors.keys()
    assert with_new_names(older).tensors.keys() == checkpoint.tensors.keys()
    assert with_new_names(checkpoint).tensors.keys() == checkpoint.tensors.keys()


@pytest.mark.parametrize(
    ("depth", "change"),
    [
        ("decoder", {"image_pred": (4, 3, 16, 16)}),
        ("decoder", {"image_pred": (4,)}),
        ("full", {"image": (4, 3, 1, 1), "latents": None}),
        ("full", {"masked_image": (4, 5, 32, 32), "masked_latents": None}),
        ("full", {"audio_feature": (3, 10, 32)}),
    ],
)
def test_what_torch_refuses_is_an_error_with_shapes(depth: Any, change: dict[str, Any]) -> None:
    tensors = batch(301) | {n: torch.zeros(shape) for n, shape in change.items() if shape}
    tensors = {n: t for n, t in tensors.items() if change.get(n, ()) is not None}
    with pytest.raises(InputError) as caught:
        ADAPTER.forward(models(), tensors, depth, PassOptions())
    assert "the networks cannot be run on this batch: " in str(caught.value)
    assert "'ref_latents' (4, 4, 16, 16) float16" in str(caught.value)


@pytest.mark.parametrize("factor", ["0", "-1", "null", '"x"', "true", "1e9", "[1]"])
def test_a_scaling_factor_that_cannot_be_divided_by(factor: str, tmp_path: Path) -> None:
    shutil.copytree(MAIN / "vae", tmp_path / "vae")
    config = tmp_path / "vae" / "config.json"
    config.write_text(config.read_text().replace("0.4005", factor))
    with pytest.raises(InputError, match="the VAE's scaling_factor is"):
        ADAPTER.load(None, {"vae": str(tmp_path / "vae")}, "cpu")
