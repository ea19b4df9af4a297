"""Whose random states make training's draws again: those of this torch, and of this GPU."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from musetalk_samples import ADAPTER, batch, models, sample_batch, without

from lossaudit.recorder.random_state import random_state
from lossaudit.witnesses.replay.adapter import PassOptions
from lossaudit.witnesses.replay.batch import SampleBatch
from lossaudit.witnesses.replay.forward_pass import stored_state
from lossaudit.witnesses.replay.stored_draws import rng_on

GPU = "Tesla V100-SXM2-32GB"


def stored(rng: str = "", **told: str) -> SampleBatch:
    environment = json.dumps({"torch": torch.__version__, "device": "cpu", **told})
    return replace(sample_batch(301), rng=rng or random_state(), environment=environment)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU of that name, as far as its name is asked for."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: GPU)


def on_gpus(*states: str) -> str:
    return json.dumps({**json.loads(random_state()), "cuda": list(states)})


def test_the_state_of_this_torch_is_used() -> None:
    release = ".".join(torch.__version__.split(".")[:2])
    for version in (torch.__version__, f"{release}.7+cu999"):
        found = stored_state(rng_on(stored(torch=version), "cpu"), "cpu")
        assert found is not None
        assert torch.equal(found, torch.get_rng_state())


def test_a_gpu_that_the_process_has_beside_a_training_on_the_cpu_changes_nothing() -> None:
    found = stored_state(rng_on(stored(on_gpus("a")), "cpu"), "cpu")
    assert found is not None
    assert torch.equal(found, torch.get_rng_state())


@pytest.mark.parametrize("device", ["cuda:0", "cuda", "mps", ""])
def test_a_state_of_another_kind_of_device_counts_as_none_on_the_cpu(device: str) -> None:
    assert rng_on(stored(on_gpus("a"), device=device), "cpu") == ""


@pytest.mark.parametrize("version", ["2.1.2+cu121", "", "2", f"1{torch.__version__}"])
def test_the_state_of_another_torch_counts_as_none(version: str) -> None:
    assert rng_on(stored(torch=version), "cpu") == ""


@pytest.mark.parametrize("environment", ["", "[]", "{", "x" * 100_000])
def test_a_state_of_which_nobody_says_whose_it_is_counts_as_none(environment: str) -> None:
    assert rng_on(replace(stored(), environment=environment), "cpu") == ""


@pytest.mark.usefixtures("gpu")
def test_of_several_gpus_the_one_is_used_that_training_ran_on() -> None:
    batch_of_rank_2 = stored(on_gpus("a", "b", "c"), device="cuda:2", device_name=GPU)
    assert json.loads(rng_on(batch_of_rank_2, "cuda:0"))["cuda"] == ["c"]
    unnumbered = stored(on_gpus("a"), device="cuda", device_name=GPU)
    assert json.loads(rng_on(unnumbered, "cuda:1"))["cuda"] == ["a"]


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("told", "rng"),
    [
        ({"device": "cuda:0", "device_name": "NVIDIA H100 80GB HBM3"}, on_gpus("a")),
        ({"device": "cuda:0"}, on_gpus("a")),
        ({"device": "cpu", "device_name": GPU}, on_gpus("a")),
        ({"device": "cuda:1", "device_name": GPU}, on_gpus("a")),
        ({"device": "cuda:0", "device_name": GPU}, random_state()),
        ({"device": "cuda:0", "device_name": GPU}, "[" * 100_000),
        ({"device": "cuda:0", "device_name": GPU}, '{"cuda": 3}'),
    ],
)
def test_the_state_of_another_gpu_counts_as_none(told: dict[str, Any], rng: str) -> None:
    assert rng_on(stored(rng, **told), "cuda:0") == ""


def test_what_the_batch_holds_is_drawn_as_well_so_that_the_rest_is_as_it_was() -> None:
    """Training drew `latents` first: the state's first numbers are those, whoever stored them."""
    state, seen = random_state(), without(batch(301), "pred", "latents")
    options = PassOptions(rng=state)
    every = ADAPTER.forward(models(), seen, "full", options)
    given = seen | {"latents": every["latents"]}
    some = ADAPTER.forward(models(), given, "full", options)
    for name in ("masked_latents", "ref_latents"):
        assert torch.equal(some[name], every[name])
