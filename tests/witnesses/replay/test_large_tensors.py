"""Tensors beyond memory: blocks, pages given back, and what happens to the value."""

from __future__ import annotations

import math
import mmap
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from term_cases import CASES
from test_term_functions import made, recomputed

from lossaudit.witnesses.replay import blocks, recompute_term, sums
from lossaudit.witnesses.replay.mapped_pages import (
    MappedPages,
    droppable_storages,
    is_clean_file,
)
from lossaudit.witnesses.replay.tensor_file import open_tensor_file


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sums, "BLOCK", 37)
    monkeypatch.setattr(sums, "GRAIN", 1)
    return


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("region", ["whole", "lower_half", "box:1,1,4,3", "mask:mask"])
@pytest.mark.parametrize("name", [n for n in CASES if n not in ("cosine", "gaussian-kl")])
def test_blocks_change_no_value(name: str, region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = made(CASES[name]) | {"mask": torch.ones(3, 6, 7)}
    found = recomputed(CASES[name], "mean", tensors, "float32", region=region)
    monkeypatch.undo()
    whole = recomputed(CASES[name], "mean", tensors, "float32", region=region)
    assert found.value == whole.value
    assert found.float64 == pytest.approx(whole.float64, rel=1e-14)
    assert found.low == pytest.approx(whole.low, rel=1e-13)


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(1, 40),
    st.data(),
)
def test_blocks_hold_every_row_once(shape: list[int], most: int, data: st.DataObject) -> None:
    whole = torch.arange(float(torch.Size(shape).numel())).reshape(shape)
    if data.draw(st.booleans()):
        whole = whole.transpose(0, -1)
    cut = data.draw(st.integers(0, whole.shape[-1] - 1))
    view = whole[..., cut:]
    found = list(blocks.split([view, view + 1], view.dim(), most))
    assert all(a.numel() <= most and torch.equal(a + 1, b) for a, b in found)
    assert torch.equal(torch.cat([a.flatten() for a, _ in found]), view.flatten())


def test_beyond_torchs_share_of_memory_the_value_is_the_float64_one_rounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tensors = made(CASES["l1"])
    small = recomputed(CASES["l1"], "mean", tensors, "bfloat16")
    assert not small.blocked
    monkeypatch.setattr(recompute_term, "LARGE", 100)
    large = recomputed(CASES["l1"], "mean", tensors, "bfloat16")
    assert large.blocked
    assert (large.float64, large.low, large.high) == (small.float64, small.low, small.high)
    assert large.value == float(torch.tensor(large.float64).bfloat16())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_large_float32_tensors_take_differences_in_float32(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = torch.Generator().manual_seed(3)
    tensors = {n: torch.randn(9, 700, generator=random) for n in ("pred", "target")}
    exact = recomputed(CASES["l1"], "mean", tensors, dtype)
    for module in (recompute_term, sums):
        monkeypatch.setattr(module, "LARGE", 100)
    found = recomputed(CASES["l1"], "mean", tensors, dtype)
    assert found.float64 == pytest.approx(exact.float64, rel=2.0**-24)
    assert found.low <= exact.value <= found.high
    assert (found.float64 == exact.float64) == (dtype == "bfloat16")
    tensors["pred"][3, 5] = torch.nan
    assert math.isnan(recomputed(CASES["l1"], "mean", tensors, dtype).high)


def file_of(tmp_path: Path, size: int = 8 << 20) -> Path:
    path = tmp_path / "pair.safetensors"
    random = torch.Generator().manual_seed(1)
    save_file({n: torch.randn(size, generator=random) for n in ("pred", "target")}, path)
    return path


linux = pytest.mark.skipif(sys.platform != "linux", reason="pages are given back on Linux alone")


def addresses(tensor: torch.Tensor) -> tuple[int, int]:
    return tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes


def resident() -> int:
    """kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@linux
def test_only_a_file_that_nobody_wrote_to_may_be_dropped(tmp_path: Path) -> None:
    tensors = open_tensor_file(str(file_of(tmp_path))).tensors
    assert is_clean_file(*addresses(tensors["pred"]))
    own = torch.ones(1 << 20)
    assert not is_clean_file(*addresses(own))
    tensors["pred"][5] = 7.0
    assert not is_clean_file(*addresses(tensors["pred"]))


@linux
def test_what_was_written_to_a_mapped_tensor_stays(tmp_path: Path) -> None:
    tensors = open_tensor_file(str(file_of(tmp_path))).tensors
    expected = tensors["pred"].clone()
    expected[:4096] = tensors["pred"][:4096] = 3.0
    own = {"pred": tensors["pred"], "target": torch.zeros(8 << 20)}
    recomputed(CASES["l1"], "mean", own, "float32")
    assert torch.equal(tensors["pred"], expected)
    assert not own["target"].any()


@linux
def test_memory_that_processes_share_keeps_what_it_holds() -> None:
    memory = mmap.mmap(-1, 1 << 25)
    shared = torch.frombuffer(memory, dtype=torch.float32).fill_(2.0)
    assert droppable_storages([torch.ones(1 << 23)]) == frozenset()
    pages = MappedPages(droppable_storages([shared]))
    pages.have_read([shared])
    pages.release()
    assert (shared == 2.0).all()


@linux
def test_pages_that_were_given_back_are_read_again(tmp_path: Path) -> None:
    tensors = open_tensor_file(str(file_of(tmp_path))).tensors
    before = tensors["pred"].sum()
    droppable = droppable_storages([tensors["pred"]])
    assert droppable
    pages = MappedPages(droppable, threads=8)
    held = resident()
    pages.have_read([tensors["pred"]])
    assert resident() < held - 20_000
    assert tensors["pred"].sum() == before


PEAK = """
import re, sys, torch
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.batch import read_batch
from lossaudit.witnesses.replay.recompute_term import recompute_term

def resident(kind):
    return int(re.search(kind + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1000

small = {"pred": torch.ones(1 << 20), "target": torch.zeros(1 << 20)}
definition = Definition("l1", prediction="pred", target="target")
recompute_term(definition, small, "float32")
before = resident("VmHWM")
batch = read_batch(sys.argv[1])
found = recompute_term(definition, batch.tensors, "float32")
assert found.blocked
print(resident("VmHWM") - before)
"""


@linux
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = file_of(tmp_path, (1 << 24) + (1 << 23))  # 2 x 100 MB, beyond torch's own function
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], check=True, capture_output=True, text=True
    )
    path.unlink()
    assert float(done.stdout) < 130  # 64 MB held, and memory for blocks
