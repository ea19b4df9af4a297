"""Folders that accelerate and diffusers write, and the weights that come out of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.checkpoint import load_into, open_checkpoint


def small_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=4,
        norm_num_groups=4,
    )


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return small_unet()


def same(found: Mapping[str, torch.Tensor], model: nn.Module) -> bool:
    wanted = model.state_dict()
    return found.keys() == wanted.keys() and all(torch.equal(found[n], wanted[n]) for n in wanted)


def from_config(config: Mapping[str, Any]) -> nn.Module:
    return UNet2DConditionModel.from_config(config)


# diffusers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", ["one file", "shards"])
def test_save_pretrained(tmp_path: Path, unet: UNet2DConditionModel, shards: str) -> None:
    most = "10GB" if shards == "one file" else "60KB"
    unet.save_pretrained(tmp_path, max_shard_size=most)
    checkpoint = open_checkpoint(str(tmp_path))
    assert same(checkpoint.tensors, unet)
    assert checkpoint.config["cross_attention_dim"] == 8
    assert checkpoint.layout == "safetensors" or checkpoint.layout.endswith(" safetensors shards")
    assert ("shards" in checkpoint.layout) == (shards == "shards")
    on_disk = {str(p) for p in tmp_path.iterdir()}
    assert {f.path for f in checkpoint.files} == on_disk
    model = load_into(lambda: from_config(checkpoint.config), checkpoint)
    inputs = (torch.randn(1, 8, 8, 8), torch.tensor(0), torch.randn(1, 3, 8))
    with torch.no_grad():
        found, wanted = model.eval()(*inputs).sample, unet.eval()(*inputs).sample
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("most", ["10GB", "60KB"])
def test_a_variant_is_taken_where_it_is_alone_and_left_where_it_is_not(
    tmp_path: Path, unet: UNet2DConditionModel, most: str
) -> None:
    half = small_unet().half()
    half.save_pretrained(tmp_path, variant="fp16", max_shard_size=most)
    checkpoint = open_checkpoint(str(tmp_path))
    assert same(checkpoint.tensors, half)
    unet.save_pretrained(tmp_path, max_shard_size=most)
    checkpoint = open_checkpoint(str(tmp_path))
    assert same(checkpoint.tensors, unet)
    (note,) = checkpoint.notes
    assert note.startswith("the weights are those in 'diffusion_pytorch_model.safetensors")
    assert "fp16" in note.split("not those in")[1]


def test_the_autoencoder_of_the_fixture_is_what_diffusers_loads() -> None:
    folder = Path(__file__).parents[3] / "fixtures/musetalk-tiny/runs/main/vae"
    checkpoint = open_checkpoint(str(folder))
    model = load_into(lambda: AutoencoderKL.from_config(checkpoint.config), checkpoint)
    assert same(dict(model.state_dict()), AutoencoderKL.from_pretrained(folder))


def test_a_pipeline_has_several_models(tmp_path: Path, unet: UNet2DConditionModel) -> None:
    for part in ("unet", "unet_ema"):
        unet.save_pretrained(tmp_path / part)
    checkpoint = open_checkpoint(str(tmp_path))
    assert same(checkpoint.tensors, unet)
    assert checkpoint.notes == ("the weights are those in 'unet', not those in 'unet_ema'",)
    unet.save_pretrained(tmp_path / "vae")
    with pytest.raises(InputError, match="holds several models: 'unet', 'unet_ema', 'vae'"):
        open_checkpoint(str(tmp_path))


def test_musetalk_keeps_its_config_under_another_name(
    tmp_path: Path, unet: UNet2DConditionModel
) -> None:
    unet.save_config(tmp_path)
    (tmp_path / "config.json").rename(tmp_path / "musetalk.json")
    torch.save({f"unet.{n}": t for n, t in unet.state_dict().items()}, tmp_path / "unet.pth")
    checkpoint = open_checkpoint(str(tmp_path / "unet.pth"), allow_pickle=True)
    assert same(checkpoint.tensors, unet)
    assert checkpoint.config["_class_name"] == "UNet2DConditionModel"
    assert checkpoint.notes == (
        "all names begin with 'unet.', which is left out",
        "the model's config is 'musetalk.json'",
    )


# accelerate ---------------------------------------------------------------------------------------


def save_state(folder: Path, *models: nn.Module, safe: bool = True) -> None:
    accelerator = Accelerator(cpu=True)
    optimizers = [torch.optim.AdamW(m.parameters()) for m in models]
    accelerator.prepare(*models, *optimizers)
    accelerator.save_state(str(folder), safe_serialization=safe)


def test_save_state(tmp_path: Path, unet: UNet2DConditionModel) -> None:
    save_state(tmp_path / "checkpoint-7", unet)
    checkpoint = open_checkpoint(str(tmp_path / "checkpoint-7"))
    assert same(checkpoint.tensors, unet)
    assert checkpoint.step == 7
    assert [Path(f.path).name for f in checkpoint.files] == ["model.safetensors"]


def test_save_state_of_two_models_leaves_the_choice(
    tmp_path: Path, unet: UNet2DConditionModel
) -> None:
    save_state(tmp_path, other := nn.Linear(3, 2), unet)
    with pytest.raises(InputError, match=r"'model\.safetensors', 'model_1\.safetensors'") as caught:
        open_checkpoint(str(tmp_path))
    assert caught.value.hint == f"name it: {tmp_path}/model.safetensors"
    assert same(open_checkpoint(str(tmp_path / "model.safetensors")).tensors, other)
    assert same(open_checkpoint(str(tmp_path / "model_1.safetensors")).tensors, unet)


def test_save_state_as_pickles_needs_leave(tmp_path: Path, unet: UNet2DConditionModel) -> None:
    save_state(tmp_path, unet, safe=False)
    assert (tmp_path / "optimizer.bin").exists()
    with pytest.raises(InputError, match="is a pickle") as caught:
        open_checkpoint(str(tmp_path))
    assert caught.value.where == str(tmp_path / "pytorch_model.bin")
    checkpoint = open_checkpoint(str(tmp_path), allow_pickle=True)
    assert same(checkpoint.tensors, unet)
    assert checkpoint.layout == "pickle"


def test_save_model_in_shards(tmp_path: Path, unet: UNet2DConditionModel) -> None:
    Accelerator(cpu=True).save_model(unet, str(tmp_path), max_shard_size="60KB")
    checkpoint = open_checkpoint(str(tmp_path))
    assert same(checkpoint.tensors, unet)
    assert checkpoint.layout.endswith(" safetensors shards")
    (tmp_path / "model.safetensors.index.json").unlink()
    with pytest.raises(InputError, match="has shards and no index"):
        open_checkpoint(str(tmp_path))


def test_states_of_training_are_no_weights(tmp_path: Path, unet: UNet2DConditionModel) -> None:
    save_state(tmp_path, unet)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"holds no weights, only 'optimizer\.bin'"):
        open_checkpoint(str(tmp_path), allow_pickle=True)


def test_a_deepspeed_folder_is_refused_with_how_to_convert_it(tmp_path: Path) -> None:
    (tmp_path / "zero_to_fp32.py").write_text("raise SystemExit")
    shutil.copytree(tmp_path, tmp_path / "pytorch_model")
    for folder in (tmp_path, tmp_path / "pytorch_model"):
        with pytest.raises(InputError, match="DeepSpeed") as caught:
            open_checkpoint(str(folder))
        assert "--safe_serialization" in caught.value.hint
