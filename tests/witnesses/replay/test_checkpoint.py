"""Checkpoints as their real writers write them."""

from __future__ import annotations

import ctypes
import hashlib
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.checkpoint import load_into, open_checkpoint

MAIN = Path(__file__).parents[3] / "fixtures" / "musetalk-tiny" / "runs" / "main"


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return model().state_dict()


def equal(found: object, wanted: dict[str, torch.Tensor]) -> bool:
    assert isinstance(found, dict)
    return found.keys() == wanted.keys() and all(torch.equal(found[n], wanted[n]) for n in wanted)


def test_accelerate_state_of_the_fixture() -> None:
    checkpoint = open_checkpoint(str(MAIN / "checkpoint-300"))
    file = MAIN / "checkpoint-300" / "model.safetensors"
    assert checkpoint.step == 300
    assert checkpoint.layout == "safetensors"
    assert equal(checkpoint.tensors, load_file(file))
    assert [(f.path, f.sha256, f.size) for f in checkpoint.files] == [
        (str(file), hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size)
    ]
    assert checkpoint.notes == ()


def test_diffusers_folder_of_the_fixture_brings_its_config() -> None:
    checkpoint = open_checkpoint(str(MAIN / "vae"))
    assert checkpoint.step is None
    assert checkpoint.config["_class_name"] == "AutoencoderKL"
    assert [Path(f.path).name for f in checkpoint.files] == [
        "diffusion_pytorch_model.safetensors",
        "config.json",
    ]


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("runs/checkpoint-300", 300),
        ("runs/checkpoint-300/model.safetensors", 300),
        ("runs/checkpoint-300/unet/diffusion_pytorch_model.safetensors", 300),
        ("unet-300.pth", 300),
        ("unet-300.safetensors", 300),
        ("epoch=3-step=1200.ckpt", 1200),
        ("global_step1200", 1200),
        ("step_7/model.safetensors", 7),
        ("checkpoint_3", None),
        ("model_1.safetensors", None),
        ("model-00001-of-00002.safetensors", None),
        ("checkpoint-5/model-00001-of-00002.safetensors", 5),
        ("checkpoint-5/model.safetensors.index.json", 5),
        ("run-2024/weights.safetensors", None),
        ("checkpoint-5/run/deep/vae/x.safetensors", None),
    ],
)
def test_the_step_is_that_of_the_name(path: str, step: int | None) -> None:
    from lossaudit.witnesses.replay.step_names import step_of

    assert step_of(path) == step


def write_shards(folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    names = sorted(weights)
    index: dict[str, str] = {}
    for number, part in enumerate((names[:3], names[3:]), 1):
        shard = f"model-0000{number}-of-00002.safetensors"
        save_file({n: weights[n] for n in part}, folder / shard)
        index |= dict.fromkeys(part, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder / "model.safetensors.index.json"


@pytest.mark.parametrize("named", ["folder", "index"])
def test_shards_are_one_checkpoint(
    tmp_path: Path, weights: dict[str, torch.Tensor], named: str
) -> None:
    index = write_shards(tmp_path, weights)
    checkpoint = open_checkpoint(str(tmp_path if named == "folder" else index))
    assert equal(checkpoint.tensors, weights)
    assert checkpoint.layout == "2 safetensors shards"
    assert len(checkpoint.files) == 3


@pytest.mark.parametrize("prefix", ["module.", "unet.", "net.unet.", "module.net.unet."])
def test_a_prefix_of_all_names_is_left_out_and_said(
    tmp_path: Path, weights: dict[str, torch.Tensor], prefix: str
) -> None:
    save_file({prefix + n: t for n, t in weights.items()}, tmp_path / "w.safetensors")
    checkpoint = open_checkpoint(str(tmp_path / "w.safetensors"))
    assert equal(checkpoint.tensors, weights)
    assert checkpoint.notes == (f"all names begin with '{prefix}', which is left out",)


def test_a_prefix_of_some_names_stays(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    named = {"unet." + n: t for n, t in weights.items()} | {"vae.w": torch.zeros(2)}
    save_file(named, tmp_path / "w.safetensors")
    assert equal(open_checkpoint(str(tmp_path)).tensors, named)


def test_compiled_modules_lose_their_mark_anywhere(tmp_path: Path) -> None:
    compiled = nn.Sequential(nn.Linear(2, 2))
    compiled[0] = torch.compile(compiled[0], backend="eager")
    assert "0._orig_mod.weight" in compiled.state_dict()
    save_file(compiled.state_dict(), tmp_path / "w.safetensors")
    assert set(open_checkpoint(str(tmp_path)).tensors) == {"0.weight", "0.bias"}


def test_load_into_gives_the_model_its_own_outputs(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    wanted = model()
    wanted.load_state_dict(weights)
    checkpoint = open_checkpoint(str(tmp_path))
    found = load_into(model, checkpoint)
    inputs = torch.randn(5, 3)
    assert torch.equal(found.eval()(inputs), wanted.eval()(inputs))
    assert found[0].weight.data_ptr() == checkpoint.tensors["0.weight"].data_ptr()


def anonymous_memory() -> int:
    """Bytes of this process that no file is behind."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed does not count
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["safetensors", "pickle"])
def test_large_weights_are_in_memory_once_as_pages_of_their_file(tmp_path: Path, kind: str) -> None:
    def wide() -> nn.Module:
        return nn.Sequential(*(nn.Linear(2048, 2048, bias=False) for _ in range(6)))

    weights = {f"{n}.weight": torch.full((2048, 2048), 0.5 + n) for n in range(6)}  # 96 MiB
    write = save_file if kind == "safetensors" else torch.save
    write(weights, tmp_path / f"w.{kind}")
    del weights
    before = anonymous_memory()
    found = load_into(wide, open_checkpoint(str(tmp_path / f"w.{kind}"), allow_pickle=True))
    assert anonymous_memory() - before < 16 << 20
    assert [layer.weight[7, 7].item() for layer in found] == [0.5 + n for n in range(6)]


def test_load_into_names_everything_that_differs_at_once(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    del weights["0.bias"]
    weights["9.bias"] = torch.zeros(1)
    weights["2.weight"] = torch.zeros(2, 5)
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(InputError) as caught:
        load_into(model, open_checkpoint(str(tmp_path / "w.safetensors")))
    assert str(caught.value) == (
        f"{tmp_path}/w.safetensors: its 9 tensors are not those of the model: 1 missing: '0.bias'; "
        "1 unexpected: '9.bias'; 1 of another shape: '2.weight'; '2.weight' has (2, 5), the model "
        "wants (2, 4)\n"
        "  expected: the model's 9 names and shapes\n"
        "  try: give the config that the weights were trained with, or name another checkpoint"
    )


class WithOwnBuffer(nn.Module):
    """A buffer that no checkpoint holds, tied weights, and an initialiser that takes long."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("angles", torch.arange(3.0).cos(), persistent=False)


def test_buffers_that_no_file_holds_are_computed(tmp_path: Path) -> None:
    save_file({"embed.weight": torch.ones(5, 3)}, tmp_path / "w.safetensors")
    found = load_into(WithOwnBuffer, open_checkpoint(str(tmp_path)))
    assert torch.equal(found.angles, torch.arange(3.0).cos())
    assert torch.equal(found.head.weight, torch.ones(5, 3))
    assert torch.equal(found.embed.weight, torch.ones(5, 3))


def test_a_model_around_the_weights_gets_the_prefix_back(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    save_file({"unet." + n: t for n, t in weights.items()}, tmp_path / "w.safetensors")

    def net() -> nn.Module:
        return nn.ModuleDict({"unet": model()})

    found = load_into(net, open_checkpoint(str(tmp_path)))
    assert torch.equal(found["unet"][0].weight, weights["0.weight"])
