"""Norms are those of each weighted term's own backward pass, and asking changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lossaudit.errors import UsageError
from lossaudit.recorder import Recorder
from lossaudit.recorder.gradients import gradient_norms


def network() -> tuple[torch.nn.Sequential, dict[str, Tensor]]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    seen = model(torch.rand(5, 4))
    return model, {"a": seen.abs().mean(), "b": 100 * seen.square().mean()}


def test_they_are_the_norms_of_each_weighted_terms_own_backward_pass() -> None:
    model, terms = network()
    last = [model[2].weight, model[2].bias]
    found = gradient_norms(3.0 * terms["a"] - 0.5 * terms["b"], terms, last)
    assert all(p.grad is None for p in model.parameters())
    for name, weight in (("a", 3.0), ("b", -0.5)):
        model.zero_grad()
        (weight * terms[name]).backward(retain_graph=True)
        squares = sum(float(p.grad.double().square().sum()) for p in last if p.grad is not None)
        assert found[name] == pytest.approx(squares**0.5, rel=1e-6)
    assert (found["b"] or 0) > 10 * (found["a"] or 0)


def test_a_term_with_no_way_to_the_tensors_is_zero_and_one_outside_the_total_is_none() -> None:
    model, terms = network()
    free = torch.nn.Parameter(torch.ones(2))
    terms |= {"own": free.sum(), "unused": terms["a"] * 2, "cut": terms["b"].detach(), "n": 1.0}  # type: ignore[dict-item]
    found = gradient_norms(terms["a"] + terms["own"], terms, [model[2].weight])
    assert (found["own"], found["unused"], found["cut"], found["n"]) == (0.0, None, None, None)


def test_gradients_that_are_there_stay() -> None:
    model, terms = network()
    model[2].weight.grad = torch.full_like(model[2].weight, 7.0)
    terms["a"].retain_grad()
    gradient_norms(terms["a"] + terms["b"], terms, [model[2].weight])
    assert terms["a"].grad is None
    assert bool((model[2].weight.grad == 7.0).all())
    (terms["a"] + terms["b"]).backward()  # the graph is still there


@pytest.mark.parametrize("at", [[torch.zeros(2)], ["weight"], [None]])
def test_what_needs_no_gradient_is_refused(at: list[object]) -> None:
    _, terms = network()
    with pytest.raises(UsageError, match="gradients_at"):
        gradient_norms(terms["a"], terms, at)  # type: ignore[arg-type]


def test_the_recorder_writes_them_and_survives_what_it_cannot(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, every=1)
    for step, at in ((1, "weight"), (2, None)):
        model, terms = network()
        places = [getattr(model[2], at)] if at else [torch.zeros(2)]
        recorder.record(step, terms["a"] + terms["b"], terms, gradients_at=places)
    (line,) = (tmp_path / "record" / "gradients.jsonl").read_text().splitlines()
    assert list(json.loads(line)) == ["step", "a", "b"]
    assert len(recorder.lost) == 1
    assert recorder.lost[0].startswith("gradients of step 2")
    assert (tmp_path / "record" / "terms.jsonl").read_text().count("\n") == 2
