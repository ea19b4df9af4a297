"""A step of the fixture replayed from its checkpoint, however that is stored."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lossaudit.model.replay import Replay
from lossaudit.spec.load import load_spec
from lossaudit.witnesses.replay.engine import replayer_for
from lossaudit.witnesses.replay.request import Pair, Request

MAIN = Path(__file__).parents[3] / "fixtures" / "musetalk-tiny" / "runs" / "main"
PARTS = {"vae": str(MAIN / "vae"), "unet_config": str(MAIN / "unet" / "config.json")}


def replayed(checkpoint: Path, allow_pickle: bool = False) -> Replay:
    pair = Pair(str(checkpoint), str(MAIN / "batches" / "step-000301.safetensors"))
    request = Request((pair,), "test", PARTS, device="cpu", allow_pickle=allow_pickle)
    replayer = replayer_for(load_spec("musetalk-v1"), request, "cpu")
    return replayer.replay(replayer.open(pair))


@pytest.fixture(scope="module")
def from_fixture() -> Replay:
    return replayed(MAIN / "checkpoint-300")


def write_shards(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    from huggingface_hub import save_torch_state_dict

    save_torch_state_dict(weights, folder, max_shard_size="300KB")


@pytest.mark.parametrize("kind", ["prefixed", "shards", "pickle"])
def test_the_terms_are_the_same_however_the_weights_are_stored(
    tmp_path: Path, from_fixture: Replay, kind: str
) -> None:
    weights = load_file(MAIN / "checkpoint-300" / "model.safetensors")
    (folder := tmp_path / "checkpoint-300").mkdir()
    if kind == "prefixed":
        renamed = {f"module.unet.{name}": tensor for name, tensor in weights.items()}
        save_file(renamed, folder / "model.safetensors")
    elif kind == "shards":
        write_shards(folder, weights)
    else:
        torch.save({"model": weights, "ema": weights}, folder / "unet-300.pth")
    found = replayed(folder, allow_pickle=kind == "pickle")
    for name, term in from_fixture.terms.items():  # kernels may depend on where the bytes lie
        assert found.terms[name].float64 == pytest.approx(term.float64, rel=1e-6)
    assert {Path(f.path).parent for f in found.files} >= {folder, MAIN / "vae"}
    said = {
        "prefixed": f"{folder}: all names begin with 'module.unet.', which is left out",
        "shards": "",
        "pickle": f"{folder}: the weights are those under 'model', not those under 'ema'",
    }
    assert said[kind] in found.caution


def test_weights_that_are_not_finite_are_said(tmp_path: Path) -> None:
    weights = load_file(MAIN / "checkpoint-300" / "model.safetensors")
    weights["conv_in.bias"][3] = float("nan")
    save_file(weights, tmp_path / "unet-300.safetensors")
    found = replayed(tmp_path / "unet-300.safetensors")
    assert "1 weights are NaN or infinite, in 'conv_in.bias'" in found.caution
    assert isnan(found.terms["loss_lip"].value)
