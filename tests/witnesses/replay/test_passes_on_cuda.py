"""Passes on a GPU: their numbers, flags and draws, what they leave behind, and what they say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from musetalk_samples import ADAPTER, DEFINITIONS, MAIN, PARTS, batch, models, without
from torch.nn.functional import conv2d

from lossaudit.errors import UsageError
from lossaudit.recorder.environment import numerics_of, training_environment
from lossaudit.recorder.random_state import random_state, restore_random_state
from lossaudit.spec.load import load_spec
from lossaudit.witnesses.replay.adapter import Models, PassOptions, load_adapter
from lossaudit.witnesses.replay.checkpoint import open_checkpoint
from lossaudit.witnesses.replay.conditions import Conditions
from lossaudit.witnesses.replay.device import choose_device
from lossaudit.witnesses.replay.forward_pass import running
from lossaudit.witnesses.replay.precision import Measured, measure_terms

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")

DEVICE = "cuda:0"
FINE, COARSE = 1e-5, 1e-4
"""Relative errors between which nothing lies: float32's are about 1e-6 here, TF32's 3e-4."""


def measured(device: str, tensors: Any, conditions: Conditions, depth: Any = "full") -> Measured:
    return measure_terms(
        ADAPTER, models(300, device), tensors, depth, DEFINITIONS, "float32", conditions
    )


# Numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["decoder", "full"])
@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(),
        Conditions("float16"),
        Conditions("bfloat16"),
        Conditions(tf32=True),
        Conditions(tf32=True, tf32_products=True),
        Conditions("float16", tf32=True),
    ],
    ids=["float32", "float16", "bfloat16", "tf32", "tf32-products", "float16-tf32"],
)
def test_a_pass_on_cuda_and_one_on_the_cpu_lie_in_each_others_intervals(
    conditions: Conditions, depth: str
) -> None:
    seen = without(batch(301), "pred" if depth == "full" else "pred_img")
    here, there = (measured(d, seen, conditions, depth) for d in ("cpu", DEVICE))
    for name, term in there.terms.items():
        beside = here.terms[name]
        assert beside.low <= term.value <= beside.high
        assert term.low <= beside.value <= term.high
        # of single numbers that cancel, as stored latents beside a decoder, nothing is left to tell
        assert there.noise[name] < 8 * max(here.noise[name], 1e-7)
        assert here.noise[name] < 8 * max(there.noise[name], 1e-7)


@pytest.mark.parametrize("options", [PassOptions(), PassOptions("float64")])
def test_the_other_musetalk_on_cuda(options: PassOptions) -> None:
    adapter, stored = load_adapter("musetalk-v1.5"), batch(301)
    seen = {
        "frames": stored["image"],
        "ref_frames": stored["ref_image"],
        "audio_prompts": stored["audio_feature"],
    }
    here, there = (adapter.forward(models(300, d), seen, "full", options) for d in ("cpu", DEVICE))
    assert here.keys() == there.keys()
    for name, tensor in there.items():
        assert (tensor.device.type, tensor.dtype) == ("cuda", here[name].dtype)
        assert torch.allclose(tensor.cpu(), here[name], atol=2e-5)


def test_a_model_of_ones_own_runs_on_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net_on_cuda.py").write_text(
        "import torch\n"
        "def run(checkpoint, tensors, device, dtype):\n"
        "    seen = tensors['seen'].to(device, dtype)\n"
        "    return {'p': seen @ torch.eye(4).to(seen), 't': torch.zeros(len(seen), 4)}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    adapter = load_adapter("net_on_cuda:run")
    spec = load_spec("musetalk-v1").terms["loss_latents"]
    import dataclasses

    definition = dataclasses.replace(spec, prediction="p", target="t")
    tensors = {"seen": torch.rand(4, 4, generator=torch.Generator().manual_seed(1))}
    found = measure_terms(
        adapter, Models({}, DEVICE), tensors, "full", {"a": definition}, "float32", Conditions()
    )
    exact = tensors["seen"].double().mean().item()
    assert found.terms["a"].low <= exact <= found.terms["a"].high
    assert found.terms["a"].high - found.terms["a"].low < 1e-5


# Flags --------------------------------------------------------------------------------------------


def set_old() -> None:
    torch.backends.cuda.matmul.allow_tf32 = True


def set_high() -> None:
    torch.set_float32_matmul_precision("high")


def set_new() -> None:
    torch.backends.cuda.matmul.fp32_precision = "tf32"


def set_everything() -> None:
    torch.backends.fp32_precision = "tf32"


def set_apart() -> None:
    torch.backends.cudnn.conv.fp32_precision = "ieee"


@contextmanager
def flags(change: Callable[[], None]) -> Iterator[None]:
    """The process's flags, changed for a while."""
    held: list[Any] = [torch.backends, torch.backends.cuda.matmul, torch.backends.cudnn.conv]
    before = [holder.fp32_precision for holder in held]
    change()
    try:
        yield
    finally:
        for holder, precision in zip(held, before, strict=True):
            holder.fp32_precision = precision


def errors() -> tuple[float, float]:
    """Relative errors of a convolution and of a matrix product in float32."""
    random = torch.Generator(DEVICE).manual_seed(1)
    image = torch.randn(2, 64, 32, 32, device=DEVICE, generator=random)
    weight = torch.randn(64, 64, 3, 3, device=DEVICE, generator=random)
    matrix = torch.randn(512, 512, device=DEVICE, generator=random)
    pairs = [
        (conv2d(image, weight), conv2d(image.double(), weight.double())),
        (matrix @ matrix, matrix.double() @ matrix.double()),
    ]
    of_conv, of_product = (float((a - b).norm() / b.norm()) for a, b in pairs)
    return of_conv, of_product


@pytest.mark.parametrize(
    "change", [lambda: None, set_old, set_high, set_new, set_everything, set_apart]
)
def test_a_pass_is_in_the_numbers_that_it_is_called_by(change: Callable[[], None]) -> None:
    with flags(change):
        before = errors()
        with running(PassOptions(), DEVICE):
            assert max(errors()) < FINE
            told = numerics_of(DEVICE)
            assert (told["tf32_matmul"], told["tf32_convolution"]) == ("off", "off")
        with running(PassOptions(tf32=True), DEVICE):
            of_conv, of_product = errors()
            assert of_conv > COARSE
            assert of_product < FINE
        with running(PassOptions(tf32=True, tf32_products=True), DEVICE):
            assert min(errors()) > COARSE
        assert [e > COARSE for e in errors()] == [e > COARSE for e in before]


@pytest.mark.parametrize(
    ("change", "products", "convolution"),
    [
        (lambda: None, "off", "on"),
        (set_old, "on", "on"),
        (set_high, "on", "on"),
        (set_new, "on", "on"),
        (set_everything, "on", "on"),
        (set_apart, "off", "off"),
    ],
)
def test_the_environment_of_training_tells_tf32_however_it_was_set(
    change: Callable[[], None], products: str, convolution: str
) -> None:
    with flags(change):
        told = training_environment(torch.zeros((), device=DEVICE))
        of_conv, of_product = errors()
    assert (told["tf32_matmul"], told["tf32_convolution"]) == (products, convolution)
    assert (of_product > COARSE, of_conv > COARSE) == (products == "on", convolution == "on")
    assert told["device"] == DEVICE
    assert told["device_name"] == torch.cuda.get_device_name(0)


# Draws --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", DEVICE])
def test_a_pass_leaves_every_random_state_alone(device: str) -> None:
    torch.manual_seed(3)
    torch.rand(5, device=DEVICE)
    before = torch.get_rng_state(), torch.cuda.get_rng_state(0)
    with running(PassOptions(draw=7), device):
        first = torch.randn(3, device=device)
        torch.randn(3)
    after = torch.get_rng_state(), torch.cuda.get_rng_state(0)
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))
    with running(PassOptions(draw=7), device):
        assert torch.equal(torch.randn(3, device=device), first)
    with running(PassOptions(draw=8), device):
        assert not torch.equal(torch.randn(3, device=device), first)


def test_the_state_of_the_gpus_generator_is_kept_and_set_again() -> None:
    torch.cuda.manual_seed(17)
    torch.randn(1000, device=DEVICE)
    state = random_state()
    assert len(json.loads(state)["cuda"]) == torch.cuda.device_count()
    drawn = torch.randn(7, device=DEVICE)
    torch.randn(9, device=DEVICE)
    restore_random_state(state)
    assert torch.equal(torch.randn(7, device=DEVICE), drawn)


# Weights ------------------------------------------------------------------------------------------


def test_pickles_of_tensors_on_cuda_are_read_on_the_cpu(tmp_path: Path) -> None:
    stored = open_checkpoint(str(MAIN / "checkpoint-300"))
    path = tmp_path / "unet-300.pth"
    torch.save({name: t.to(DEVICE) for name, t in stored.tensors.items()}, path)
    found = open_checkpoint(str(path), allow_pickle=True)
    assert found.tensors.keys() == stored.tensors.keys()
    for name, tensor in found.tensors.items():
        assert tensor.device.type == "cpu"
        assert torch.equal(tensor, stored.tensors[name])
    there = ADAPTER.load(found, PARTS, DEVICE)
    assert {p.device.type for p in there.networks["unet"].parameters()} == {"cuda"}


# The device ---------------------------------------------------------------------------------------


def test_auto_takes_the_gpu_and_says_which() -> None:
    found = choose_device("auto")
    assert found.name == DEVICE
    assert found.note == f"replaying on {DEVICE} ({torch.cuda.get_device_name(0)})"
    assert choose_device("cuda") == choose_device(DEVICE)


@pytest.mark.parametrize("number", [9, 999])
def test_a_gpu_with_too_high_a_number_is_refused(number: int) -> None:
    with pytest.raises(UsageError, match=rf"--device cuda:{number}: there are [0-9]+\n"):
        choose_device(f"cuda:{number}")
