"""Passes in other precisions: float64 layer by layer, TF32 inputs, seeds that leave no trace."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from lossaudit.witnesses.replay.adapter import PassOptions
from lossaudit.witnesses.replay.forward_pass import in_dtype, in_pieces, running
from lossaudit.witnesses.replay.gpu_numerics import held
from lossaudit.witnesses.replay.tf32 import to_tf32


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, 1.0),
        (1 + 2**-10, 1 + 2**-10),
        (1 + 2**-11, 1.0),  # a tie, to even
        (1 + 3 * 2**-11, 1 + 2 * 2**-10),  # a tie, to even
        (1 + 2**-11 + 2**-20, 1 + 2**-10),
        (-(1 + 2**-11 + 2**-20), -(1 + 2**-10)),
        (2 - 2**-12, 2.0),
        (2**-126 * 1.5, 2**-126 * 1.5),
        (0.0, 0.0),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
    ],
)
def test_tf32_keeps_ten_bits(value: float, expected: float) -> None:
    assert to_tf32(torch.tensor([value])).item() == expected


def test_tf32_errs_by_at_most_half_a_step_and_keeps_nan_and_other_dtypes() -> None:
    values = torch.randn(10_000, generator=torch.Generator().manual_seed(3))
    relative = ((to_tf32(values).double() - values.double()) / values.double()).abs().max()
    assert 2**-12 < relative <= 2**-11
    assert to_tf32(torch.tensor([math.nan])).isnan().all()
    assert to_tf32(values.double()).equal(values.double())


def test_tf32_reaches_convolutions_and_nothing_else() -> None:
    generator = torch.Generator().manual_seed(4)
    image, weight = (torch.randn(1, 8, 8, 8, generator=generator) for _ in range(2))
    plain = torch.nn.functional.conv2d(image, weight)
    with running(PassOptions(tf32=True), "cpu"):
        rounded = torch.nn.functional.conv2d(image, weight)
        product = image @ weight
    assert product.equal(image @ weight)
    assert rounded.equal(torch.nn.functional.conv2d(to_tf32(image), to_tf32(weight)))
    assert not rounded.equal(plain)


def test_tf32_reaches_products_and_attention_where_it_is_asked_for() -> None:
    generator = torch.Generator().manual_seed(6)
    a, b, c = (torch.randn(2, 8, 8, generator=generator) for _ in range(3))
    image, kernel = a[None], b[:, None, :3, :3].repeat(1, 2, 1, 1)
    attention = torch.nn.functional.scaled_dot_product_attention

    def products() -> list[torch.Tensor]:
        linear = torch.nn.functional.linear(a, b[0])
        return [a @ b, torch.bmm(a, b), linear, torch.baddbmm(c, a, b), attention(a, b, c)]

    x, y, z = map(to_tf32, (a, b, c))
    wanted = [x @ y, x.bmm(y), x @ y[0].T, torch.baddbmm(c, x, y), attention(x, y, z)]
    plain, convolved = products(), torch.nn.functional.conv2d(image, kernel)
    with running(PassOptions(tf32_products=True), "cpu"):
        found = products()
        assert torch.nn.functional.conv2d(image, kernel).equal(convolved)
    for rounded, exact, full in zip(found, wanted, plain, strict=True):
        assert torch.allclose(rounded, exact, rtol=0, atol=1e-5)
        assert (rounded - full).abs().max() > 1e-4


FLAGS: dict[str, Callable[[], None]] = {
    "as torch has them": lambda: None,
    "old": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "new": lambda: setattr(torch.backends.cuda.matmul, "fp32_precision", "tf32"),
    "everything": lambda: setattr(torch.backends, "fp32_precision", "tf32"),
    "apart": lambda: setattr(torch.backends.cudnn.conv, "fp32_precision", "ieee"),
}


@pytest.mark.parametrize("change", FLAGS.values(), ids=FLAGS)
def test_the_gpus_flags_are_held_however_they_were_set_and_given_back(
    change: Callable[[], None],
) -> None:
    cudnn: Any = torch.backends.cudnn
    holders: list[Any] = [torch.backends, torch.backends.cuda.matmul, cudnn.conv]
    before = [holder.fp32_precision for holder in holders]
    try:
        change()
        changed = [holder.fp32_precision for holder in holders]
        for tf32, products in ((False, False), (True, False), (True, True)):
            with held(tf32, products):
                found = [holder.fp32_precision == "tf32" for holder in holders[1:]]
                assert found == [products, tf32]
                assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
            assert [holder.fp32_precision for holder in holders] == changed
            assert not cudnn.deterministic
    finally:
        for holder, precision in zip(holders, before, strict=True):
            holder.fp32_precision = precision


@pytest.mark.parametrize("whole", [False, True])
def test_float64_is_that_of_a_double_network_and_nothing_stays(whole: bool) -> None:
    torch.manual_seed(5)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 3),
    ).eval()
    images = torch.randn(5, 2, 4, 4, dtype=torch.float64)
    before = {n: id(t) for n, t in (*network.named_parameters(), *network.named_buffers())}
    with running(PassOptions(), "cpu"), in_dtype(network, "float64", whole):
        found = network(images)
    after = {n: id(t) for n, t in (*network.named_parameters(), *network.named_buffers())}
    assert before == after
    assert network(images.float()).dtype == torch.float32
    with torch.inference_mode():
        assert found.equal(copy.deepcopy(network).double()(images))


@pytest.mark.parametrize("whole", [False, True])
def test_a_pass_that_fails_leaves_the_network_as_it_was(whole: bool) -> None:
    network = torch.nn.Linear(4, 2)
    before = id(network.weight)
    with pytest.raises(RuntimeError), in_dtype(network, "float64", whole):
        network(torch.zeros(3, 5, dtype=torch.float64))
    assert id(network.weight) == before
    assert network(torch.zeros(1, 4)).dtype == torch.float32


def test_pieces_are_joined_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossaudit.witnesses.replay.forward_pass.SAMPLES_AT_ONCE", 3)
    sizes: list[int] = []

    def run(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        sizes.append(len(a))
        return a + b

    a, b = torch.arange(8.0), 10 * torch.arange(8.0)
    assert in_pieces(run, a, b).equal(a + b)
    assert sizes == [3, 3, 2]


def test_a_pass_leaves_torch_s_random_state_alone() -> None:
    before = torch.get_rng_state()
    with running(PassOptions(draw=7), "cpu"):
        first = torch.randn(3)
    assert torch.get_rng_state().equal(before)
    with running(PassOptions(draw=7), "cpu"):
        assert torch.randn(3).equal(first)
