"""Terms on a GPU: torch's own there, inside the interval that either device derives."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from term_cases import CASES, Case, Tensors, scaled
from test_term_functions import DTYPES, PARAMETERS, made, narrowed, recomputed
from torch.nn import functional

from lossaudit.errors import InputError
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.blocks import LARGE
from lossaudit.witnesses.replay.recompute_term import recompute_term

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")

DEVICE = "cuda:0"
SEEDS = 12


def on_cuda(tensors: Tensors) -> Tensors:
    return {name: tensor.to(DEVICE) for name, tensor in tensors.items()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("case", "reduction"), PARAMETERS)
def test_each_value_on_cuda_is_torchs_and_inside_both_intervals(
    case: Case, reduction: str, dtype: str
) -> None:
    tensors = made(case)
    here = recomputed(case, reduction, tensors, dtype)
    there = recomputed(case, reduction, on_cuda(tensors), dtype)
    own = float(case.torchs(narrowed(on_cuda(tensors), dtype), reduction))
    # nll_loss adds by atomics, in another order each time
    assert there.value == (pytest.approx(own, rel=1e-6) if "cross" in case.kind else own)
    assert there.float64 == pytest.approx(here.float64, rel=1e-12)
    assert there.low <= there.value <= there.high
    assert here.low <= there.value <= here.high
    assert there.low <= here.value <= there.high
    if dtype == "float64":
        assert there.low <= here.float64 <= there.high


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_tiny_huge_and_nearly_alike_numbers_on_cuda_stay_inside(name: str, dtype: str) -> None:
    case = CASES[name]
    for seed in range(SEEDS):
        random = torch.Generator().manual_seed(1000 + seed)
        tensors = scaled(case, case.tensors(random), random)
        found = recomputed(case, "mean", on_cuda(tensors), dtype)
        assert not found.value < found.low, seed
        assert not found.value > found.high, seed
        assert math.isfinite(found.value) or math.isinf(found.high), seed


@pytest.mark.parametrize("region", ["lower_half", "box:1,2,5,5", "mask:mask"])
@pytest.mark.parametrize("name", ["l1", "mse", "bce-weighted", "cross-entropy-weighted", "lpips"])
def test_a_region_on_cuda_is_that_on_the_cpu(name: str, region: str) -> None:
    case = CASES[name]
    mask = torch.zeros(3, 6, 7)
    mask[:, 3:] = 1
    tensors = made(case) | {"mask": mask}
    here = recomputed(case, "mean", tensors, "float32", region=region)
    there = recomputed(case, "mean", on_cuda(tensors), "float32", region=region)
    assert there.float64 == pytest.approx(here.float64, rel=1e-12)
    assert here.low <= there.value <= here.high


@pytest.mark.parametrize("name", CASES)
def test_the_mean_of_each_samples_mean_on_cuda(name: str) -> None:
    tensors = made(CASES[name])
    here = recomputed(CASES[name], "none", tensors, "float32")
    there = recomputed(CASES[name], "none", on_cuda(tensors), "float32")
    assert there.float64 == pytest.approx(here.float64, rel=1e-12)
    assert here.low <= there.value <= here.high


# Sums of many numbers -----------------------------------------------------------------------------


def filled(kind: str, count: int, dtype: torch.dtype) -> Tensors:
    """Numbers whose sum rounds at nearly every addition: alike, growing, or random."""
    target = torch.zeros(count, device=DEVICE, dtype=dtype)
    if kind == "alike":
        return {"pred": torch.full_like(target, 1 / 3), "target": target}
    generator = torch.Generator(DEVICE).manual_seed(11)
    pred = torch.rand(count, generator=generator, device=DEVICE, dtype=torch.float32)
    if kind == "growing":
        pred = pred * torch.linspace(0, 3, count, device=DEVICE).exp()
    return {"pred": pred.to(dtype), "target": target}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["alike", "growing", "random"])
@pytest.mark.parametrize("count", [1000, 1 << 16, 3 * 8 * 256 * 256 + 1, 1 << 22, (1 << 26) + 3])
def test_a_sum_of_many_numbers_on_cuda_stays_inside(count: int, kind: str, dtype: str) -> None:
    tensors = filled(kind, count, getattr(torch, dtype))
    for name, function in (("l1", functional.l1_loss), ("mse", functional.mse_loss)):
        definition = Definition(kind=name, prediction="pred", target="target")
        found = recompute_term(definition, tensors, dtype)
        assert found.low <= float(function(tensors["pred"], tensors["target"])) <= found.high
        assert found.blocked == (count > LARGE)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["alike", "random"])
@pytest.mark.parametrize("shape", [(1 << 20, 2), (9000, 3), (64, 4, 32, 32), (4096, 3, 4, 4)])
def test_many_rows_of_classes_on_cuda_stay_inside(
    shape: tuple[int, ...], kind: str, dtype: str
) -> None:
    """torch's nll_loss has kernels of its own there, with longer chains than other sums."""
    generator = torch.Generator(DEVICE).manual_seed(12)
    pred = torch.randn(shape, device=DEVICE, generator=generator)
    if kind == "alike":
        pred = torch.full_like(pred, 0.3)
    target = torch.zeros((shape[0], *shape[2:]), dtype=torch.int64, device=DEVICE)
    tensors = {"pred": pred.to(getattr(torch, dtype)), "target": target}
    definition = Definition(kind="cross_entropy", prediction="pred", target="target")
    for reduction in ("mean", "sum"):
        own = float(functional.cross_entropy(tensors["pred"], target, reduction=reduction))
        found = recompute_term(replace(definition, reduction=reduction), tensors, dtype)
        assert not own < found.low
        assert not own > found.high


@pytest.mark.parametrize("stored", ["float32", "float16", "bfloat16"])
def test_a_tensor_in_many_blocks_on_cuda_has_the_sum_of_the_cpu(stored: str) -> None:
    tensors = filled("random", LARGE + 5, getattr(torch, stored))
    tensors["target"] = tensors["pred"].flip(0)
    definition = Definition(kind="l1", prediction="pred", target="target")
    there = recompute_term(definition, tensors, "float32")
    here = recompute_term(definition, {n: t.cpu() for n, t in tensors.items()}, "float32")
    assert there.float64 == pytest.approx(here.float64, rel=1e-10)
    assert there.blocked


# What is no number --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["l1", "mse", "smooth_l1", "huber", "kl", "cosine", "lpips"])
def test_a_number_on_cuda_that_is_not_finite_is_not_hidden(name: str, value: float) -> None:
    tensors = made(CASES[name])
    tensors["pred"][1, 2, 3, 4] = value
    found = recomputed(CASES[name], "mean", on_cuda(tensors), "float32")
    assert not math.isfinite(found.value)
    assert not math.isfinite(found.float64)


def test_what_torch_asserts_on_the_gpu_is_refused_before_and_cuda_lives() -> None:
    """A failed assertion inside of a kernel would be the end of CUDA in this process."""
    bce, classes = made(CASES["bce"]), made(CASES["cross-entropy"])
    for wrong in (1.5, -0.25):
        with pytest.raises(InputError, match="'pred' holds"):
            recomputed(
                CASES["bce"],
                "mean",
                on_cuda(bce | {"pred": torch.full((3, 5, 6, 7), wrong)}),
                "float32",
            )
    bce["pred"][1, 2, 3, 4] = math.nan
    assert math.isnan(recomputed(CASES["bce"], "mean", on_cuda(bce), "float32").value)
    for wrong in (5, -1, 2**40):
        classes["target"][0, 0, 0] = wrong
        with pytest.raises(InputError, match="holds the class"):
            recomputed(CASES["cross-entropy"], "mean", on_cuda(classes), "float32")
    torch.cuda.synchronize()
    assert torch.ones(3, device=DEVICE).sum().item() == 3
