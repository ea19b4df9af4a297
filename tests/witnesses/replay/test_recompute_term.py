"""A term from stored tensors: torch's value, the float64 one, and what training may have had."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from lossaudit.errors import InputError, UsageError
from lossaudit.spec.definition import Definition
from lossaudit.spec.load import load_spec
from lossaudit.witnesses.replay.batch import read_batch
from lossaudit.witnesses.replay.recompute_term import recompute_term
from lossaudit.witnesses.replay.regions import parse_region

BATCHES = Path(__file__).parents[3] / "fixtures" / "musetalk-tiny" / "runs" / "main" / "batches"
DTYPES = ("float32", "float16", "bfloat16", "float64")


def pair(shape: tuple[int, ...] = (3, 2, 8, 6), seed: int = 0) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    names = ("pred", "target")
    return {name: torch.randn(shape, generator=random, dtype=torch.float64) for name in names}


def defined(kind: str, **more: object) -> Definition:
    return Definition(kind=kind, prediction="pred", target="target", **more)


@pytest.mark.parametrize("batch", sorted(BATCHES.glob("*.safetensors")), ids=lambda p: p.stem)
def test_terms_of_a_real_run_are_those_that_it_logged(batch: Path) -> None:
    spec, found = load_spec("musetalk-v1"), read_batch(str(batch))
    for term in ("loss_lip", "loss_latents"):
        again = recompute_term(spec.terms[term], found.tensors, "float32")
        assert again.low <= found.terms[term] <= again.high
        assert again.value == pytest.approx(found.terms[term], rel=1.2e-7)


@pytest.mark.parametrize("batch", sorted(BATCHES.glob("*.safetensors")), ids=lambda p: p.stem)
def test_another_region_is_told_from_the_declared_one(batch: Path) -> None:
    spec, found = load_spec("musetalk-v1"), read_batch(str(batch))
    for region in ("whole", "upper_half"):
        other = recompute_term(
            spec.terms["loss_lip"], found.tensors, "float32", parse_region(region)
        )
        assert not other.low <= found.terms["loss_lip"] <= other.high


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("kind", ["l1", "mse"])
def test_the_value_is_torchs_own(kind: str, reduction: str, dtype: str) -> None:
    tensors = pair()
    narrow = {name: t.to(getattr(torch, dtype)) for name, t in tensors.items()}
    torchs = {"l1": functional.l1_loss, "mse": functional.mse_loss}[kind]
    found = recompute_term(defined(kind, reduction=reduction), tensors, dtype)
    assert found.value == float(torchs(narrow["pred"], narrow["target"], reduction=reduction))
    exact = torchs(tensors["pred"], tensors["target"], reduction=reduction)
    assert found.float64 == pytest.approx(float(exact), rel=1e-14)
    assert found.low <= found.value <= found.high


def test_shapes_that_differ_are_never_broadcast() -> None:
    tensors = pair() | {"target": torch.zeros(3, 2, 1, 6)}
    with pytest.raises(InputError) as caught:
        recompute_term(defined("l1"), tensors, "float32")
    assert str(caught.value) == (
        "shapes differ: pred is (3, 2, 8, 6) float64; target is (3, 2, 1, 6) float32\n"
        "  expected: the same shape; replay never broadcasts, and training should not either\n"
        "  try: store the tensors as the loss function received them"
    )


def test_an_unknown_kind_names_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"no term function is called 'l2'\n  expected: .*l1, mse"):
        recompute_term(defined("l2"), pair(), "float32")


def test_a_parameter_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="l1 has no parameter 'beta'"):
        recompute_term(defined("l1", beta=0.5), pair(), "float32")
