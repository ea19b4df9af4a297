"""The state of the random generators, and the draws that it gives back."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from numpy import random as of_numpy
from recorded import batch_of

from lossaudit.errors import InputError
from lossaudit.recorder import Recorder, restore_random_state
from lossaudit.recorder.random_state import random_state


def draws() -> list[float]:
    """Some of every generator; an odd number of normal deviates, since they come in pairs."""
    drawn = [random.gauss(0, 1), random.random(), of_numpy.normal(), of_numpy.random()]
    return [*drawn, *torch.randn(3).tolist(), *torch.rand(3).half().tolist()]


def test_a_recorded_steps_draws_are_made_again(tmp_path: Path) -> None:
    draws()
    recorder = Recorder(tmp_path, every=1)
    recorder.begin(1)
    drawn = draws()
    recorder.record(1, 1.0, {}, {"x": torch.ones(1)})
    draws()
    metadata, _ = batch_of(tmp_path / "batches" / "step-000001.safetensors")
    restore_random_state(metadata["rng"])
    assert draws() == drawn


def test_a_step_that_was_not_begun_has_no_state(tmp_path: Path) -> None:
    Recorder(tmp_path, every=1).record(1, 1.0, {}, {"x": torch.ones(1)})
    metadata, _ = batch_of(tmp_path / "batches" / "step-000001.safetensors")
    assert "rng" not in metadata


def test_taking_the_state_draws_nothing() -> None:
    state = random_state()
    assert random_state() == state
    restore_random_state(state)
    assert random_state() == state


def changed(**parts: Any) -> str:
    return json.dumps(json.loads(random_state()) | parts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        changed(torch=""),
        changed(torch="AAAA"),
        changed(torch="A" * 6744),
        changed(torch="A" * (1 << 17)),
        changed(torch="ä"),
        changed(torch=5),
        changed(cuda=5),
        changed(cuda=[None]),
        changed(python={}),
        changed(python={"words": "AAAA", "position": 0, "gauss": None}),
        changed(python={**json.loads(random_state())["python"], "position": 625}),
        changed(numpy={**json.loads(random_state())["numpy"], "position": -1}),
        changed(numpy={**json.loads(random_state())["numpy"], "position": 10**30}),
        changed(numpy={**json.loads(random_state())["numpy"], "gauss": "0"}),
        changed(numpy=None),
    ],
)
def test_hostile_state_is_refused_and_changes_nothing(text: str) -> None:
    before = random_state()
    with pytest.raises(InputError, match="not the state of random generators"):
        restore_random_state(text)
    assert random_state() == before
