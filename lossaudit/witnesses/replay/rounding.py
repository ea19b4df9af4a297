"""How far a reduction in the training dtype may lie from the exact one; see docs/replay-terms.md.

Source: Higham 2002, sections 4.2 (error of a sum: the longest chain of additions counts) and 3.1.
"""

from __future__ import annotations

import math

from msgspec import Struct

from lossaudit.numerics.formats import FORMATS, gamma
from lossaudit.witnesses.replay.blocks import BLOCK_ELSEWHERE, GRAIN

LANES = 16
"""Numbers in the widest vector register (AVX-512, float32)."""

UNROLLED = 4
"""Independent accumulators of torch's inner loops, on the CPU and on the GPU."""

THREADS = 64
"""Partial sums of threads, added one after the other."""

_BLOCKS_OF_A_GPU = 512 * 256


def additions(count: int) -> int:
    """The longest chain of additions of any order in which torch adds `count` numbers up.

    torch's CPU kernel adds in four levels of 2**p numbers each (`SumKernel.cpp`), its GPU kernel in
    at most 256 numbers a thread and a tree over threads and blocks (`Reduce.cuh`); NumPy's pairwise
    sum is shorter than both.

    Args:
        count: numbers that are added.

    Example:
        >>> additions(1), additions(1000), additions(10**6), additions(2**28)
        (0, 87, 217, 555)
    """
    if count < 2:
        return 0
    rows = -(-count // UNROLLED)  # a build without vectors has the longest rows
    power = max(4, (rows - 1).bit_length() // 4)
    levels, left = 0, rows
    for _ in range(3):
        levels += min(left, 1 << power)
        left = -(-left // (1 << power))
    cpu = levels + left + 3 + 2 * UNROLLED + 2 * LANES + (THREADS if count >= GRAIN else 0)
    gpu = 256 // UNROLLED + UNROLLED + 2 * 9 + -(-count // (_BLOCKS_OF_A_GPU * 512))
    return min(count - 1, max(cpu, gpu))


class Chains(Struct, frozen=True):
    """Chains of additions of a kernel that adds rows in a way of its own.

    Attributes:
        wide: the longest in the accumulation dtype.
        narrow: the longest, after those, in training's own dtype.
    """

    wide: int = 0
    narrow: int = 0


def class_chains(rows: int, samples: int, is_flat: bool) -> Chains:
    """How torch's nll_loss, which cross entropy of class indices ends in, adds rows up on a GPU.

    Flat rows (N, C): one block, in older releases of 32 threads, each of which adds every 32nd row,
    and the first one then their sums. Rows of samples (N, C, ...): one block for each 128 * 1024
    places of a sample, whose sums are added by `atomicAdd` in the dtype itself.

    Source:
        torch, aten/src/ATen/native/cuda/Loss.cu and NLLLoss2d.cu.
    """
    if is_flat:
        return Chains(-(-rows // 32) + 32)
    places = -(-rows // samples)
    blocks = max(1, -(-places // 1024) // 128)
    return Chains(-(-places // (256 * blocks)) + 2 * 9, samples * blocks)


def accumulation_roundoff(dtype: str) -> float:
    """u of the dtype in which torch accumulates: float32 for half types, else the dtype itself."""
    return min(FORMATS[dtype].unit_roundoff, FORMATS["float32"].unit_roundoff)


class Sums(Struct, frozen=True):
    """Exactly summed parts of a reduction; block sums are float64, `math.fsum` adds them.

    Attributes:
        total: of the rows' losses.
        magnitude: of their absolute values.
        error: of the rows' errors, in units of u.
        weight: what the function's own mean divides by.
        mask: the sum of the mask; the rows where there is none.
        rows: their number.
    """

    total: float
    magnitude: float
    error: float
    weight: float
    mask: float
    rows: int


class Estimate(Struct, frozen=True):
    """A float64 value and how far training's own may lie from it."""

    value: float
    half_width: float


def reduced(
    sums: Sums,
    denominator: float,
    dtype: str,
    roundings: int,
    masked: bool,
    chains: Chains | None = None,
) -> Estimate:
    """The sum of the rows over the denominator (1: the sum itself).

        |v - S/n| <= u E' / n + gamma_a(K) (M + u E') / n + 2 u (|S/n| + ...)

    E' is the rows' own error, M the sum of |losses|, K the longest chain of additions, gamma_a that
    of the accumulation dtype; 2 u is the sum and the quotient written in the dtype. A mask's sum is
    computed in the dtype too: gamma_a(K) + u more.

    Args:
        sums: of the rows.
        denominator: what a mean divides by; at least a few rows, or the value is NaN.
        dtype: training's.
        roundings: the most that one row's loss takes.
        masked: whether the denominator is a sum that training computed.
        chains: of additions, where torch has a kernel of its own for the sum.
    """
    if denominator == 0:
        return Estimate(math.nan, math.nan)
    unit = FORMATS[dtype].unit_roundoff
    own = sums.error * float(gamma(roundings, unit)) / roundings
    chains = chains or Chains()
    longest = max(additions(sums.rows), chains.wide)
    adding = _gamma(longest, accumulation_roundoff(dtype))
    adding += (1 + adding) * _gamma(chains.narrow, unit)
    value = sums.total / denominator
    reach = (sums.magnitude + own) / denominator
    half = own / denominator + adding * reach
    if masked:
        half += (adding + unit) * (abs(value) + half) * (1 + 2 * (adding + unit))
    half += _gamma(2, unit) * (abs(value) + half) + FORMATS[dtype].smallest_subnormal
    double = FORMATS["float64"].unit_roundoff  # our own evaluation, block by block
    half += double * (2 * additions(BLOCK_ELSEWHERE) * reach + 2 * sums.error / denominator)
    if max(denominator * masked, sums.magnitude * bool(chains.narrow)) > FORMATS[dtype].largest:
        half = math.inf  # a sum overflows in the dtype, though the mean would not
    return Estimate(value, math.inf if math.isnan(half) else half)  # NaN: an infinite error times 0


def combined(parts: list[tuple[float, Estimate]], denominator: float, dtype: str) -> Estimate:
    """A weighted sum of values that training had in its dtype, over a denominator."""
    unit = FORMATS[dtype].unit_roundoff
    value = math.fsum(w * e.value for w, e in parts) / denominator
    size = math.fsum(abs(w) * (abs(e.value) + e.half_width) for w, e in parts) / denominator
    half = math.fsum(abs(w) * e.half_width for w, e in parts) / denominator
    adding = _gamma(additions(len(parts)), accumulation_roundoff(dtype))
    half += (adding + _gamma(3, unit)) * size + FORMATS[dtype].smallest_subnormal
    return Estimate(value, half + 4 * FORMATS["float64"].unit_roundoff * size)


def _gamma(count: int, unit: float) -> float:
    return float(gamma(count, unit))
