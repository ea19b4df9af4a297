"""Effective weights are exactly what autograd propagates, and asking changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lossaudit.errors import UsageError
from lossaudit.recorder import probe


def network() -> tuple[torch.nn.Linear, Tensor, Tensor]:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 4)
    seen = model(torch.rand(3, 4))
    return model, seen.abs().mean(), seen.square().mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_weights_are_exact(dtype: torch.dtype) -> None:
    _, lip, latents = network()
    lip, latents = lip.to(dtype), latents.to(dtype)
    total = 2.0 * lip + latents + 0.0 * lip
    assert probe(total, {"lip": lip, "latents": latents}) == {"lip": 2.0, "latents": 1.0}


def test_weight_of_zero_is_zero_and_no_weight_is_none() -> None:
    _, lip, latents = network()
    total = 0.0 * lip + latents
    unused, other = lip * 1.0, torch.tensor(1.0)
    terms = {"lip": lip, "unused": unused, "leaf": other, "number": 0.5, "cut": latents.detach()}
    expected = {"lip": 0.0, "unused": None, "leaf": None, "number": None, "cut": None}
    assert probe(total, terms) == expected
    assert probe(total, {}) == {}


def test_detached_in_the_total_is_none_although_its_value_is_in_it() -> None:
    _, lip, latents = network()
    assert probe(lip.detach() + latents, {"lip": lip, "latents": latents})["lip"] is None


def test_total_that_is_not_linear_gives_the_local_derivative() -> None:
    _, lip, latents = network()
    found = probe(lip * latents + lip**2, {"lip": lip, "latents": latents})
    assert found["lip"] == pytest.approx((latents + 2 * lip).item(), rel=1e-6)
    assert found["latents"] == lip.item()


def test_schedule_division_and_one_element_shapes() -> None:
    _, lip, latents = network()
    total = (torch.linspace(0, 1, 5)[2] * lip + latents.reshape(1)) / 16
    assert probe(total, {"lip": lip, "latents": latents}) == {"lip": 1 / 32, "latents": 1 / 16}


def test_gradients_are_those_without_a_probe() -> None:
    model, lip, latents = network()
    (2.0 * lip + latents).backward()
    expected = [p.grad for p in model.parameters()]

    model, lip, latents = network()
    total = 2.0 * lip + latents
    for tensor in (total, lip):
        tensor.retain_grad()
    for _ in range(3):
        probe(total, {"lip": lip, "latents": latents})
    assert all(p.grad is None for p in model.parameters())
    assert lip.grad is None
    assert total.grad is None
    total.backward()
    assert lip.grad == torch.tensor(2.0)
    found = [p.grad for p in model.parameters()]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_gradients_accumulated_before_stay() -> None:
    model, lip, latents = network()
    lip.retain_grad()
    lip.backward(retain_graph=True)
    kept = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    probe(3.0 * lip + latents, {"lip": lip})
    assert lip.grad == torch.tensor(1.0)
    for parameter, grad in zip(model.parameters(), kept, strict=True):
        torch.testing.assert_close(parameter.grad, grad, rtol=0, atol=0)


def test_network_below_the_terms_is_not_walked() -> None:
    model, lip, latents = network()
    walked: list[str] = []
    model.weight.register_hook(lambda _: walked.append("weight"))
    probe(2.0 * lip + latents, {"lip": lip, "latents": latents})
    assert walked == []
    (2.0 * lip + latents).backward()
    assert walked == ["weight"]


def test_no_graph_is_none() -> None:
    with torch.no_grad():
        _, lip, latents = network()
        assert probe(lip + latents, {"lip": lip}) == {"lip": None}


def test_what_cannot_be_asked_says_what_to_do() -> None:
    _, lip, latents = network()
    total = lip * latents
    total.backward()
    with pytest.raises(UsageError, match="try: call probe before backward"):
        raise_as_text(total, {"lip": lip})
    with pytest.raises(UsageError, match="'lip' has shape"):
        probe(total, {"lip": torch.rand(2, 2)})
    with pytest.raises(UsageError, match="'total' has shape"):
        probe(torch.rand(3), {})
    with pytest.raises(UsageError, match="the total is a float"):
        probe(1.5, {"lip": lip})  # type: ignore[arg-type]


def raise_as_text(total: Tensor, terms: dict[str, Tensor]) -> None:
    try:
        probe(total, terms)
    except UsageError as error:
        raise UsageError(str(error)) from None
