"""Recomputed terms as intervals: what rounding and chance may have made of them."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from musetalk_samples import ADAPTER, DEFINITIONS, MAIN, batch, models, sample_batch, without
from torch import Tensor

from lossaudit.model.replay import Recomputed
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.adapter import Adapter, Models, PassOptions
from lossaudit.witnesses.replay.conditions import (
    MAY_BE_TF32,
    TF32_PRODUCTS,
    Conditions,
    conditions_of,
    grid_of,
)
from lossaudit.witnesses.replay.precision import Measured, compute_terms_once, measure_terms
from lossaudit.witnesses.replay.term_intervals import DRAWS, STUDENT_T, change_of, over_draws


def measured(
    tensors: dict[str, Tensor], conditions: Conditions | None = None, step: int = 300, **more: Any
) -> Measured:
    depth = more.pop("depth", "full")
    return measure_terms(
        ADAPTER, models(step), tensors, depth, DEFINITIONS, "float32", conditions, **more
    )


def holds(found: Measured, step: int) -> list[bool]:
    logged = sample_batch(step).terms
    return [found.terms[n].low <= logged[n] <= found.terms[n].high for n in DEFINITIONS]


# Rounding -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("checkpoint", "step"), [(100, 101), (300, 301)])
@pytest.mark.parametrize("depth", ["decoder", "full"])
def test_the_logged_terms_lie_in_narrow_intervals(checkpoint: int, step: int, depth: str) -> None:
    seen = without(batch(step), "pred_img" if depth == "decoder" else "pred")
    found = measured(seen, step=checkpoint, depth=depth)
    assert holds(found, step) == [True, True]
    for term in found.terms.values():
        assert term.high - term.low < 4e-5 * term.value
    assert found.draws == 1
    assert found.notes == ("rounding of the forward pass measured against float64",)


def test_the_checkpoint_of_the_step_itself_lies_outside() -> None:
    assert holds(measured(without(batch(300), "pred")), 300) == [False, False]


@pytest.mark.parametrize("autocast", ["bfloat16", "float16"])
def test_another_precision_of_training_lies_inside_what_was_measured(autocast: Any) -> None:
    """The fixture ran in float32; as if it were unknown, its terms must lie in each interval."""
    seen = without(batch(301), "pred")
    found = measured(seen, Conditions(autocast, tf32=True))
    assert holds(found, 301) == [True, True]
    assert "rounding of the forward pass measured against float32 and TF32" in found.notes
    assert all(1e-5 < width < 0.01 for width in found.noise.values())


def once(tensors: dict[str, Tensor], **more: Any) -> Measured:
    return compute_terms_once(ADAPTER, models(300), tensors, "full", DEFINITIONS, "float32", **more)


def test_without_a_second_pass_terms_are_the_same_and_have_no_bound() -> None:
    seen = without(batch(301), "pred")
    plain, whole = once(seen), measured(seen)
    assert (plain.noise, plain.draws) == ({}, 1)
    assert plain.notes == ("the rounding of the forward pass was not measured: no bound",)
    for name, term in plain.terms.items():
        other = whole.terms[name]
        assert (term.value, term.float64) == (other.value, other.float64)
        assert (term.low, term.high) == (-math.inf, math.inf)


def test_without_a_bound_sampled_latents_are_drawn_once() -> None:
    seen = without(batch(301), "pred", "latents")
    plain = once(seen)
    assert plain.draws == 1
    assert any(n.endswith("are sampled and not in the batch: drawn once") for n in plain.notes)
    text = json.dumps({"torch": base64.b64encode(bytes(torch.get_rng_state().tolist())).decode()})
    assert any("drawn again from the batch's random state" in n for n in once(seen, rng=text).notes)


def test_a_sum_scales_what_one_sample_shows() -> None:
    seen, one = without(batch(301), "pred"), {"loss_lip": DEFINITIONS["loss_lip"]}
    summed = {"loss_lip": replace(DEFINITIONS["loss_lip"], reduction="sum")}
    mean, total = (
        measure_terms(ADAPTER, models(), seen, "full", d, "float32").noise["loss_lip"]
        for d in (one, summed)
    )
    assert total == pytest.approx(mean * 4 * 3 * 16 * 32, rel=1e-6)


@pytest.mark.parametrize("kind", ["l1", "mse"])
def test_the_worst_signs_bound_every_change_of_that_size(kind: str) -> None:
    definition = Definition(kind=kind, reduction="mean", prediction="p", target="t")
    generator = torch.Generator().manual_seed(5)
    p, t = (torch.randn(4, 50, generator=generator) for _ in range(2))
    size = 0.05 * torch.rand(4, 50, generator=generator)
    ours = {"p": p, "t": t}
    bound = change_of(definition, ours, {"p": p + size}, "float32")
    function = torch.nn.functional.l1_loss if kind == "l1" else torch.nn.functional.mse_loss
    seen = []
    for _ in range(200):
        sign = torch.randint(0, 2, p.shape, generator=generator) * 2 - 1
        seen.append((function(p + sign * size, t) - function(p, t)).abs().item())
    worst = (function(p + (p - t).sign() * size, t) - function(p, t)).item()
    assert max(seen) < bound
    assert bound == pytest.approx(worst, rel=1e-4)


def test_a_drawn_target_moves_a_term_as_its_prediction_does() -> None:
    definition = Definition(kind="l1", reduction="mean", prediction="p", target="t")
    p, t = torch.ones(1, 8), torch.zeros(1, 8)
    other = {"p": p + 0.25, "t": t + 0.5}
    assert change_of(definition, {"p": p, "t": t}, other, "float32") == pytest.approx(0.75)


# Chance -------------------------------------------------------------------------------------------


def test_sampled_latents_give_an_interval_over_draws_that_holds_the_logged_terms() -> None:
    found = measured(without(batch(301), "pred", "latents"))
    assert holds(found, 301) == [True, True]
    assert found.draws == DRAWS
    assert all(1e-3 < (t.high - t.low) / t.value < 0.2 for t in found.terms.values())
    note = next(n for n in found.notes if "sampled" in n)
    assert note.startswith("'latents', 'masked_latents', 'ref_latents' are sampled")
    assert f"drawn {DRAWS} times" in note
    assert note.endswith("no bound")


def test_a_stored_random_state_repeats_training_s_own_draws() -> None:
    from diffusers import AutoencoderKL

    seen = without(batch(301), "pred", "latents")
    vae: Any = AutoencoderKL.from_pretrained(MAIN / "vae")
    half = vae.half()
    torch.manual_seed(99)
    state = torch.get_rng_state()
    text = json.dumps({"torch": base64.b64encode(bytes(state.tolist())).decode()})
    with torch.inference_mode():
        drawn = {
            name: half.encode(seen[image].half()).latent_dist.sample() * vae.config.scaling_factor
            for name, image in (
                ("latents", "image"),
                ("masked_latents", "masked_image"),
                ("ref_latents", "ref_image"),
            )
        }
    again = ADAPTER.forward(models(), seen, "full", PassOptions(rng=text))
    for name, latents in drawn.items():  # float16 convolutions may differ by an ulp here and there
        assert (again[name].float() - latents.float()).abs().mean() < 1e-4
    found = measured(seen, rng=text)
    assert found.draws == 1
    assert any("drawn again from the batch's random state" in n for n in found.notes)
    known = measured(seen | drawn)
    for name, term in found.terms.items():
        assert term.value == pytest.approx(known.terms[name].value, rel=1e-4)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"torch": "AAAA"}', '{"torch": 3}', '{"torch": "é"}', "[" * 100_000]
)
def test_what_is_no_random_state_counts_as_none(text: str) -> None:
    found = measured(without(batch(301), "pred", "masked_latents"), rng=text)
    assert found.draws == DRAWS


def test_a_state_of_another_kind_of_device_counts_as_none() -> None:
    state = base64.b64encode(bytes(torch.get_rng_state().tolist())).decode()
    text = json.dumps({"torch": state, "cuda": [state]})
    found = measured(without(batch(301), "pred", "masked_latents"), rng=text)
    assert found.draws == DRAWS


def test_active_dropout_is_named_and_drawn() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(4, 400), torch.nn.Dropout(0.1))

    def forward(models: Models, tensors: Any, depth: Any, options: PassOptions) -> Any:
        from lossaudit.witnesses.replay.forward_pass import in_dtype, running

        dtype = getattr(torch, options.dtype)
        with running(options, "cpu"), in_dtype(models.networks["net"], options.dtype):
            return {"p": models.networks["net"](tensors["x"].to(dtype))}

    adapter = Adapter("test", "", {"full": ()}, {"full": ()}, lambda *_: own, forward)
    own = Models({"net": network.train()})
    tensors = {"x": torch.ones(3, 4), "t": torch.zeros(3, 400)}
    definitions = {"a": Definition(kind="l1", reduction="mean", prediction="p", target="t")}
    found = measure_terms(adapter, own, tensors, "full", definitions, "float32")
    assert any("dropout is active: 'net.1 (p=0.1)'" in n for n in found.notes)
    assert found.draws == DRAWS
    network.eval()
    still = measure_terms(adapter, own, tensors, "full", definitions, "float32")
    assert still.draws == 1
    assert found.terms["a"].low < still.terms["a"].value < found.terms["a"].high


def test_the_prediction_interval_misses_as_rarely_as_it_says() -> None:
    """With Student's t for 1 in 20 in place of that for 1 in 100,000, 1 in 20 falls outside."""
    generator = torch.Generator().manual_seed(1)
    outside, trials = 0, 4000
    for _ in range(trials):
        *seen, next_one = torch.randn(DRAWS + 1, generator=generator, dtype=torch.float64).tolist()
        terms = [Recomputed(v, v, v, v) for v in seen]
        found = over_draws(terms)
        center = (found.high + found.low) / 2
        reach = (found.high - found.low) / 2 * 2.3646 / STUDENT_T
        outside += abs(next_one - center) > reach
    assert 0.04 < outside / trials < 0.06


def test_every_draw_lies_in_the_interval_of_draws() -> None:
    terms = [Recomputed(v, v, v - 0.5, v + 0.25) for v in (1.0, 1.0, 1.0, 9.0)]
    found = over_draws(terms)
    assert found.value == 1.0
    assert found.low <= 0.5
    assert found.high >= 9.25
    broken = over_draws([*terms, Recomputed(math.nan, math.nan, math.nan, math.nan)])
    assert (broken.low, broken.high) == (-math.inf, math.inf)


# Conditions ---------------------------------------------------------------------------------------


def test_the_grid_of_stored_predictions_tells_autocast() -> None:
    values = torch.randn(4, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    assert grid_of(values) == "none"
    assert grid_of(values.half().float()) == "float16"
    assert grid_of(values.bfloat16().float()) == "bfloat16"
    assert grid_of(values.half()) is None
    assert grid_of(torch.ones(8)) is None
    assert grid_of(torch.zeros(1000)) is None


def test_what_a_batch_shows_corrects_what_the_spec_declares() -> None:
    stored = batch(301)
    seen = conditions_of(ADAPTER, stored, "float16")
    assert seen.autocast == "none"
    assert seen.notes == (
        "the spec declares autocast to float16, but image_pred lies on no coarser grid than "
        "float32's: replayed without",
    )
    stored["image_pred"] = stored["image_pred"].half().float()
    lowered = conditions_of(ADAPTER, stored)
    assert lowered.autocast == "float16"
    assert lowered.notes[0].endswith("on float16's grid: replayed with autocast to float16")
    unseen = conditions_of(ADAPTER, without(stored, "pred"), "bfloat16", tf32=True)
    assert (unseen.autocast, unseen.tf32) == ("bfloat16", True)


def test_stored_frames_tell_whether_the_decoder_took_tf32() -> None:
    declared = Conditions(tf32=True, notes=(MAY_BE_TF32,))
    stored = batch(301)
    found = measured(stored, declared)
    assert found.notes == (
        "'image_pred_img' as stored: decoded in float32, without TF32",
        "rounding of the forward pass measured against float64",
    )
    wrong_weights = measured(batch(300), declared)  # what the UNet gave says nothing of it
    assert found.notes == wrong_weights.notes
    lowered = ADAPTER.forward(models(), stored, "decoder", PassOptions(tf32=True))
    as_if = measured(stored | lowered, declared)
    assert MAY_BE_TF32 in as_if.notes
    assert as_if.noise["loss_lip"] > 100 * found.noise["loss_lip"]
    assert MAY_BE_TF32 in measured(without(stored, "pred_img"), declared).notes


H100 = {"device": "cuda:0", "capability": "9.0", "tf32_convolution": "on", "tf32_matmul": "off"}


@pytest.mark.parametrize(
    ("told", "convolutions", "products"),
    [
        ({}, False, False),
        ({"device": "cpu"}, False, False),
        (H100, True, False),
        (H100 | {"tf32_convolution": "off", "tf32_matmul": "on"}, False, True),
        (H100 | {"capability": "7.0", "tf32_matmul": "on"}, False, False),
        (H100 | {"capability": "nine"}, False, False),
    ],
)
def test_tf32_of_training_is_as_the_batch_tells_it(
    told: dict[str, str], convolutions: bool, products: bool
) -> None:
    """cuDNN's default is TF32, which no spec has to know."""
    found = conditions_of(ADAPTER, batch(301), told=told)
    assert (found.tf32, found.tf32_products) == (convolutions, products)
    assert (MAY_BE_TF32 in found.notes, TF32_PRODUCTS in found.notes) == (convolutions, products)
    declared = conditions_of(ADAPTER, batch(301), tf32=True, told=told)
    assert declared.tf32


def test_products_in_tf32_widen_the_interval_of_a_pass() -> None:
    seen = without(batch(301), "pred")
    plain, lowered = measured(seen), measured(seen, Conditions(tf32_products=True))
    assert all(lowered.noise[name] > 20 * plain.noise[name] for name in DEFINITIONS)
    assert lowered.notes[-1] == "rounding of the forward pass measured against float64 and TF32"
