"""MuseTalk 1.5's forward pass: latents by mode, no positions, and the whole decoded frame."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from musetalk_samples import MAIN, PARTS, batch, models, without
from torch import Tensor

from lossaudit.errors import InputError
from lossaudit.spec.load import load_spec
from lossaudit.witnesses.replay.adapter import PassOptions, find_parts, load_adapter
from lossaudit.witnesses.replay.conditions import Conditions
from lossaudit.witnesses.replay.precision import measure_terms

ADAPTER = load_adapter("musetalk-v1.5")


def seen() -> dict[str, Tensor]:
    """The tiny fixture's frames, by 1.5's names."""
    stored = batch(301)
    return {
        "frames": stored["image"],
        "ref_frames": stored["ref_image"],
        "audio_prompts": stored["audio_feature"],
    }


def as_train_py_does(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same with diffusers alone."""
    vae: Any = models().networks["vae"]
    unet: Any = models().networks["unet"]
    scaling = vae.config.scaling_factor
    masked = tensors["frames"].clone()
    masked[:, :, 16:, :] = -1
    with torch.inference_mode():
        latents = [
            vae.encode(frames).latent_dist.mode() * scaling
            for frames in (masked, tensors["ref_frames"])
        ]
        predicted = unet(
            torch.cat(latents, 1), torch.tensor([0]), encoder_hidden_states=tensors["audio_prompts"]
        ).sample
        return {
            "latents_pred": predicted,
            "image_pred": vae.decode((1 / scaling) * predicted).sample,
        }


def test_full_gives_what_the_networks_give() -> None:
    found, wanted = (
        ADAPTER.forward(models(), seen(), "full", PassOptions()),
        as_train_py_does(seen()),
    )
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.allclose(found[name], tensor, atol=2e-6)
    assert found["image_pred"].shape == seen()["frames"].shape


def test_nothing_is_drawn_and_the_frame_s_upper_half_counts() -> None:
    assert ADAPTER.draws(seen()) == []
    definitions = {"l1_loss": load_spec("musetalk-v1.5-stage1").terms["l1_loss"]}
    found = measure_terms(ADAPTER, models(), seen(), "full", definitions, "float32", Conditions())
    gap = (as_train_py_does(seen())["image_pred"].double() - seen()["frames"].double()).abs()
    term = found.terms["l1_loss"]
    assert term.float64 == pytest.approx(gap.mean().item(), rel=1e-6)
    assert abs(gap[:, :, 16:].mean().item() - term.float64) > 100 * (term.high - term.low)
    assert found.draws == 1


def test_decoder_takes_what_the_unet_gave() -> None:
    whole = ADAPTER.forward(models(), seen(), "full", PassOptions())
    given = {"latents_pred": whole["latents_pred"]}
    found = ADAPTER.forward(models(None), given, "decoder", PassOptions())
    assert set(found) == {"image_pred"}
    assert torch.allclose(found["image_pred"], whole["image_pred"], atol=2e-6)


def test_stored_latents_take_the_place_of_frames() -> None:
    vae: Any = models().networks["vae"]
    with torch.inference_mode():
        latents = vae.encode(seen()["ref_frames"]).latent_dist.mode() * vae.config.scaling_factor
    given = without(seen(), "ref_frames") | {"ref_latents": latents}
    found = ADAPTER.forward(models(), given, "full", PassOptions())["image_pred"]
    wanted = ADAPTER.forward(models(), seen(), "full", PassOptions())["image_pred"]
    assert torch.allclose(found, wanted, atol=2e-6)


def test_float64_is_float64_throughout() -> None:
    single = as_train_py_does(seen())["image_pred"]
    double = ADAPTER.forward(models(), seen(), "full", PassOptions(dtype="float64"))["image_pred"]
    networks = {n: copy.deepcopy(net).double() for n, net in models().networks.items()}
    whole: Any = models()
    from msgspec.structs import replace

    wanted = ADAPTER.forward(
        replace(whole, networks=networks),
        {n: t.double() for n, t in seen().items()},
        "full",
        PassOptions(dtype="float64"),
    )["image_pred"]
    assert double.dtype == torch.float64
    assert (double - wanted).abs().max() < 1e-13
    assert 1e-8 < (double - single).abs().max() < 1e-5


def test_what_it_cannot_give_is_said_for_every_other_term_of_the_presets() -> None:
    for preset in ("musetalk-v1.5-stage1", "musetalk-v1.5-stage2"):
        terms = load_spec(preset).terms
        assert set(terms) - {"l1_loss"} <= set(ADAPTER.cannot)
        definition = terms["l1_loss"]
        assert definition.prediction in ADAPTER.outputs["full"]
    page = (Path(__file__).parents[3] / "docs" / "replay-models.md").read_text()
    for term, why in ADAPTER.cannot.items():
        plain = page.replace("`", "")
        assert f"| {term} | {why} |" in plain


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio_prompts": (4, 10, 31)}, r"audio_prompts is \(4, 10, 31\) float32"),
        ({"frames": (4, 3, 32)}, r"frames is \(4, 3, 32\)"),
        ({"masked_latents": (4, 3, 16, 16)}, r"takes 8 channels and was given \(4, 3, 16, 16\)"),
    ],
)
def test_shapes_that_do_not_fit_are_shown(change: dict[str, Any], message: str) -> None:
    wrong = seen() | {name: torch.zeros(shape) for name, shape in change.items()}
    with pytest.raises(InputError, match=message):
        ADAPTER.forward(models(), wrong, "full", PassOptions())


def test_what_is_missing_is_said() -> None:
    with pytest.raises(InputError, match="lacks audio_prompts; masked_latents or frames"):
        ADAPTER.forward(models(), {"ref_frames": torch.zeros(1)}, "full", PassOptions())


def test_parts_are_found_at_their_usual_places(tmp_path: Any) -> None:
    run, hub = tmp_path / "run", tmp_path / "hub"
    for folder in (run / "vae", run / "unet", hub / "musetalkV15", hub / "vae"):
        folder.mkdir(parents=True)
    (run / "unet" / "config.json").write_text("{}")
    (hub / "musetalkV15" / "musetalk.json").write_text("{}")
    assert find_parts(ADAPTER, [str(run), str(hub)]) == {
        "vae": str(run / "vae"),
        "unet_config": str(run / "unet" / "config.json"),
    }
    assert find_parts(ADAPTER, [str(hub)])["unet_config"].endswith("musetalkV15/musetalk.json")
    assert find_parts(ADAPTER, [str(tmp_path)]) == {}


def test_one_term_is_recomputed_and_the_others_are_said_to_be_out_of_reach(tmp_path: Any) -> None:
    from safetensors.torch import save_file

    from lossaudit.audit import recompute
    from lossaudit.model.finding import Verdict
    from lossaudit.witnesses.replay.request import Pair, Request

    path = tmp_path / "step-000301.safetensors"
    save_file(seen(), path, {"step": "301", "total": "0.5"})
    request = Request((Pair(str(MAIN / "checkpoint-300"), str(path)),), "run", PARTS)
    result = recompute(load_spec("musetalk-v1.5-stage1"), request)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "`vgg_loss` cannot be recomputed" in result.reason
    (replay,) = result.witnesses[0].replays
    assert set(replay.terms) == {"l1_loss"}
    assert replay.caution.startswith(f"vgg_loss is not recomputed: it {ADAPTER.cannot['vgg_loss']}")
