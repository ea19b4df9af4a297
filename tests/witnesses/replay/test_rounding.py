"""The interval holds whatever torch may compute, and is not much wider than that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from term_cases import CASES, scaled
from test_term_functions import made, recomputed

from lossaudit.model.table import Floats
from lossaudit.numerics.formats import FORMATS
from lossaudit.witnesses.replay.rounding import (
    Chains,
    Estimate,
    additions,
    class_chains,
    combined,
)
from lossaudit.witnesses.replay.term_function import Operands
from lossaudit.witnesses.replay.terms.cross_entropy import CROSS_ENTROPY


def cascade(rows: int) -> int:
    """The longest chain of torch's `multi_row_sum`, counted step by step as it adds."""
    power = max(4, (max(rows, 1) - 1).bit_length() // 4)
    step, chains, i = 1 << power, [-1] * 4, 0  # -1: still zero, to which adding is exact
    while i + step <= rows:
        chains[0] += step
        i += step
        for level in range(1, 4):
            chains[level] = max(chains[level], chains[level - 1]) + 1
            chains[level - 1] = -1
            if i & ((step - 1) << (level * power)):
                break
    chains[0] += rows - i
    for level in range(1, 4):
        chains[0] = max(chains[0], chains[level]) + 1
    return chains[0]


@given(st.integers(1, 1 << 22), st.sampled_from([1, 4, 8, 16]), st.sampled_from([1, 2, 16, 64]))
def test_no_chain_of_torchs_kernel_on_the_cpu_is_longer(n: int, lanes: int, threads: int) -> None:
    part = -(-n // threads) if n >= 32768 else n
    lane = cascade(part // lanes // 4) + 3 + 3  # what is left of four, and the four accumulators
    longest = lane + lanes + lanes - 1 + (threads if n >= 32768 else 0)
    assert additions(n) >= min(n - 1, longest)


@given(st.integers(1, 1 << 40))
def test_no_chain_of_torchs_kernel_on_a_gpu_is_longer(n: int) -> None:
    """At most 256 numbers a thread in four accumulators, trees over threads, then over blocks."""
    blocks = -(-n // (512 * 256))
    in_thread, tree = 256 // 4 + 3, 9
    assert additions(n) >= min(n - 1, in_thread + tree + -(-blocks // 512) + tree)


def added_by_threads(losses: Floats, threads: int) -> np.float32:
    """Every 32nd row by one thread, and then their sums by the first: nll_loss on a GPU."""
    lanes = losses.reshape(-1, threads)
    return np.float32(np.add.accumulate(np.add.accumulate(lanes, 0)[-1])[-1])


@pytest.mark.parametrize("threads", [32, 1024])
def test_classes_added_by_few_threads_stay_inside(threads: int) -> None:
    """Rows all alike round the same way again and again; other sums' chains would not hold that."""
    rows = 1 << 18
    tensors = {"pred": torch.full((rows, 2), 0.3), "target": torch.zeros(rows, dtype=torch.int64)}
    row = torch.nn.functional.cross_entropy(tensors["pred"][:1], tensors["target"][:1])
    total = added_by_threads(np.full(rows, row.item(), np.float32), threads)
    found = recomputed(CASES["cross-entropy"], "sum", tensors, "float32")
    assert found.low <= float(total) <= found.high
    assert abs(float(total) - found.float64) > additions(rows) * 2.0**-24 * found.float64


def test_the_chains_of_classes() -> None:
    assert class_chains(32, 32, is_flat=True) == Chains(33, 0)
    assert class_chains(8192, 8192, is_flat=True) == Chains(288, 0)
    assert class_chains(4 * 65536, 4, is_flat=False) == Chains(256 + 18, 4)
    assert class_chains(2 << 20, 2, is_flat=False) == Chains(512 + 18, 16)
    shares = made(CASES["cross-entropy-shares"])  # probabilities are added as any numbers are
    assert class_chains_of(shares) == Chains()
    assert class_chains_of(made(CASES["cross-entropy"])).narrow == 3


def class_chains_of(tensors: dict[str, torch.Tensor]) -> Chains:
    return CROSS_ENTROPY.chains(Operands(tensors["pred"], tensors["target"]))  # type: ignore[misc]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_classes_counted_in_float16_overflow_and_decide_nothing(reduction: str) -> None:
    """On a GPU the rows are counted in float16, which ends at 65,504."""
    for side, is_open in ((128, False), (512, True)):
        pred = torch.full((1, 2, side, side), 0.3)
        tensors = {"pred": pred, "target": torch.zeros(1, side, side, dtype=torch.int64)}
        found = recomputed(CASES["cross-entropy"], reduction, tensors, "float16")
        assert math.isinf(found.high) == is_open


def test_pairwise_sums_of_numpy_are_shorter() -> None:
    for n in (100, 10_000, 1 << 20, 1 << 30):
        assert additions(n) >= 128 // 8 + 3 + 7 + math.ceil(math.log2(n / 128 + 1)) or n < 200


def orders(x: torch.Tensor) -> Iterator[torch.Tensor]:
    """Means of x in many orders, each in float32 at least and rounded to x's dtype."""
    n, wide = x.numel(), x if x.dtype is torch.float64 else x.float()
    flat = wide.flatten()
    yield wide.mean()
    yield x.mean()
    yield x.sum() / n
    yield wide.permute(*reversed(range(x.dim()))).mean()
    yield x.contiguous(memory_format=torch.channels_last).mean()
    yield torch.tensor(flat.numpy().mean())
    yield torch.tensor(np.add.reduce(flat.numpy()) / flat.numpy().dtype.type(n))
    for seed in range(5):
        mixed = flat[torch.randperm(n, generator=torch.Generator().manual_seed(seed))]
        yield mixed.mean()
        yield torch.stack([part.sum() for part in mixed.split(1024)]).sum() / n


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", ["l1", "mse", "smooth_l1", "bce-with-logits"])
def test_every_order_of_summing_stays_inside(name: str, dtype: str, count: int) -> None:
    torch.set_num_threads(count)
    random = torch.Generator().manual_seed(count)
    shape, kind = (4, 3, 71, 67), getattr(torch, dtype)
    tensors = {
        "pred": torch.randn(shape, generator=random).abs().to(kind),
        "target": torch.rand(shape, generator=random).to(kind),
    }
    case = CASES[name]
    found = recomputed(case, "mean", tensors, dtype, **dict(case.parameters))
    one_by_one = {
        "l1": torch.nn.functional.l1_loss,
        "mse": torch.nn.functional.mse_loss,
        "smooth_l1": torch.nn.functional.smooth_l1_loss,
        "bce-with-logits": torch.nn.functional.binary_cross_entropy_with_logits,
    }[name]
    named = {"beta": 0.7} if name == "smooth_l1" else {}
    losses = one_by_one(tensors["pred"], tensors["target"], reduction="none", **named)
    for value in orders(losses):
        assert found.low <= float(value.to(kind)) <= found.high


@pytest.mark.usefixtures("threads")
def test_the_float64_value_has_the_same_bits_on_any_number_of_threads() -> None:
    random = torch.Generator().manual_seed(5)
    names = ("pred", "target")
    tensors = {name: torch.randn(3, 5, 200, 133, generator=random) for name in names}
    found = set()
    for count in (1, 2, 5):
        torch.set_num_threads(count)
        again = recomputed(CASES["l1"], "mean", tensors, "float32", region="lower_half")
        found.add((again.float64, again.low, again.high))
        assert torch.get_num_threads() == count
    assert len(found) == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_chain_of_additions_reaches_most_of_the_bound(dtype: str) -> None:
    """One, and then numbers that are each rounded away: the chain loses u at every addition."""
    unit = FORMATS["float32"].unit_roundoff
    numbers = torch.tensor([1.0, *[unit] * 49])
    chained = torch.tensor(0.0)
    for number in numbers:
        chained = chained + number
    if dtype == "bfloat16":  # the sum of numbers that the dtype holds is float32's all the same
        numbers = numbers.bfloat16()
    tensors = {"pred": numbers, "target": torch.zeros(50).to(numbers.dtype)}
    found = recomputed(CASES["l1"], "sum", tensors, "float32")
    assert found.low <= float(chained) <= found.high
    share = (found.float64 - float(chained)) / (found.float64 - found.low)
    assert share > 0.9


def test_torch_itself_reaches_a_good_part_of_the_bound() -> None:
    """Each lane begins with 1; all that a level of the cascade adds to it is rounded away."""
    unit = FORMATS["float32"].unit_roundoff
    rows = torch.full((256,), unit / 16)  # 16 of them are u, which is rounded away one level up
    rows[:16] = unit
    rows[0] = 1.0
    shares = []
    for lanes in (16, 32, 64):  # four accumulators of 4, 8 or 16 numbers, as the processor has it
        x = rows.repeat_interleave(lanes)
        tensors = {"pred": x, "target": torch.zeros_like(x)}
        found = recomputed(CASES["l1"], "sum", tensors, "float32")
        exact = float(sum(Fraction(float(v)) for v in rows) * lanes)
        assert found.float64 == pytest.approx(exact, rel=1e-15)
        assert found.low <= found.value <= found.high
        shares.append((found.float64 - found.value) / (found.float64 - found.low))
    assert max(shares) > 0.25


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", CASES)
def test_no_range_of_numbers_takes_torch_outside(name: str, dtype: str) -> None:
    case, open_ended = CASES[name], 0
    for seed in range(12):
        random = torch.Generator().manual_seed(seed)
        tensors = scaled(case, case.tensors(random), random)
        found = recomputed(case, ("mean", "sum", "none")[seed % 3], tensors, dtype)
        assert not found.value < found.low
        assert not found.value > found.high
        open_ended += math.isinf(found.high) or math.isnan(found.value)
    assert open_ended <= (9 if dtype == "float16" else 0)


@pytest.mark.parametrize("size", [1e-5, 300.0])
def test_features_whose_squares_a_dtype_does_not_hold_decide_nothing(size: float) -> None:
    tensors = made(CASES["lpips"])
    small = tensors | {name: size * tensors[name] for name in ("pred", "target")}
    found = recomputed(CASES["lpips"], "mean", small, "float16")
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert recomputed(CASES["lpips"], "mean", small, "float32").high < math.inf


def test_features_that_are_zero_are_nothing_special() -> None:
    tensors = made(CASES["lpips"])
    tensors["pred"][:, :, :3] = 0.0
    found = recomputed(CASES["lpips"], "mean", tensors, "float32")
    assert found.low < found.value < found.high
    assert found.high - found.low < 1e-3 * found.value


def test_a_weighted_sum_of_layers_adds_their_bounds() -> None:
    parts = [(2.0, Estimate(1.0, 0.125)), (-1.0, Estimate(3.0, 0.25))]
    found = combined(parts, 1, "float32")
    assert found.value == -1.0
    assert 0.5 < found.half_width < 0.5 + 1e-5


def test_the_doctest_of_additions() -> None:
    assert [additions(n) for n in (1, 1000, 10**6, 2**28)] == [0, 87, 217, 555]
