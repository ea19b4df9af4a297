"""Pickled checkpoints: the same tensors as torch gives, over the file's own bytes, by a process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from lossaudit.errors import InputError
from lossaudit.witnesses.replay import opened_file, pickle_file, pickle_worker
from lossaudit.witnesses.replay.checkpoint import open_checkpoint
from lossaudit.witnesses.replay.state_dict import choose_weights


def every_kind() -> dict[str, object]:
    """Views, transposes, shared storages, parameters, all dtypes, empty and scalar tensors."""
    weight = torch.arange(12.0).reshape(3, 4)
    dtypes = (
        torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
        torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.bool,
    )  # fmt: skip
    return {
        "weight": weight,
        "transposed": weight.t(),
        "view": weight[1:, 2],
        "spread": torch.arange(1000.0)[:1].expand(5),
        "parameter": nn.Parameter(torch.ones(3)),
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(2.5),
        **{str(dtype): torch.tensor([1, 0, 1]).to(dtype) for dtype in dtypes},
    }


def test_weights_that_a_gpu_wrote_are_read_without_one() -> None:
    path = Path(__file__).parents[3] / "fixtures" / "from-a-gpu" / "on-cuda.pth"
    assert b"cuda:0" in path.read_bytes()
    found = open_checkpoint(str(path), allow_pickle=True)
    generator = torch.Generator().manual_seed(4)
    wanted = {
        "unet.weight": torch.randn(3, 4, generator=generator),
        "unet.bias": torch.randn(3, generator=generator).half(),
        "steps": torch.tensor(7),
    }
    assert found.tensors.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found.tensors[name].device.type == "cpu"
        assert found.tensors[name].dtype is tensor.dtype
        assert torch.equal(found.tensors[name], tensor)


@pytest.mark.parametrize("small", [opened_file.SMALL, 0], ids=["in memory", "mapped"])
def test_tensors_are_those_that_torch_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    monkeypatch.setattr(opened_file, "SMALL", small)
    path = tmp_path / "unet-30.pth"
    torch.save({"state_dict": every_kind(), "epoch": 3}, path)
    wanted = torch.load(path, weights_only=True)["state_dict"]
    found = open_checkpoint(str(path), allow_pickle=True)
    assert found.tensors.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found.tensors[name].dtype is tensor.dtype
        assert found.tensors[name].stride() == tensor.stride()
        assert torch.equal(found.tensors[name], tensor)
    apart = found.tensors["transposed"].data_ptr() - found.tensors["weight"].data_ptr()
    assert apart == 0
    assert found.step == 30
    assert found.layout == "pickle"
    assert found.notes == ("the weights are those under 'state_dict'",)
    assert [f.path for f in found.files] == [str(path)]


def test_shards_of_pickles(tmp_path: Path) -> None:
    weights = nn.Linear(3, 2).state_dict()
    torch.save({"weight": weights["weight"]}, tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save({"bias": weights["bias"]}, tmp_path / "pytorch_model-00002-of-00002.bin")
    index = {n: f"pytorch_model-0000{k}-of-00002.bin" for k, n in enumerate(weights, 1)}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    found = open_checkpoint(str(tmp_path), allow_pickle=True)
    assert {n: t.tolist() for n, t in found.tensors.items()} == {
        n: t.tolist() for n, t in weights.items()
    }
    assert found.layout == "2 pickle shards"


def test_a_pickle_needs_leave(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError) as caught:
        open_checkpoint(str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}/w.pth: is a pickle, which can run code\n"
        "  expected: a safetensors file\n"
        "  try: --allow-pickle reads its tensors in a process with limits; or, where you trust it, "
        'load it and save it again: safetensors.torch.save_file(state_dict, "model.safetensors")'
    )


# Which dictionary ---------------------------------------------------------------------------------


def chosen(*paths: str, dicts: dict[str, list[str]] | None = None) -> tuple[set[str], str]:
    tensors = {tuple(p.split("/")): p for p in paths}
    keys = {tuple(k.split("/")) if k else (): v for k, v in (dicts or {}).items()}
    found, note = choose_weights(tensors, keys)
    return set(found.values()), note


@pytest.mark.parametrize(
    ("paths", "wanted", "note"),
    [
        ("a b", "a b", ""),
        ("state_dict/a", "state_dict/a", "the weights are those under 'state_dict'"),
        (
            "model/a ema/a",
            "model/a",
            "the weights are those under 'model', not those under 'ema'",
        ),
        (
            "generator/a generator_ema/a",
            "generator/a",
            "the weights are those under 'generator', not those under 'generator_ema'",
        ),
        (
            "model_ema/a",
            "model_ema/a",
            "the weights are those under 'model_ema', an average (EMA) of what was trained, and "
            "the only weights there are",
        ),
        (
            "a/state_dict/w b/shape/x",
            "a/state_dict/w",
            "the weights are those under 'a.state_dict', not those under 'b.shape'",
        ),
        (
            "state_dict/a optimizer/state/0/exp_avg lr_scheduler/x",
            "state_dict/a",
            "the weights are those under 'state_dict'",
        ),
    ],
)
def test_the_raw_weights_are_chosen_and_said(paths: str, wanted: str, note: str) -> None:
    assert chosen(*paths.split()) == (set(wanted.split()), note)


def test_states_beside_parameter_groups_are_no_weights() -> None:
    dicts = {"opt": ["state", "param_groups"]}
    assert chosen("gen/a", "opt/state/0/exp_avg", dicts=dicts)[0] == {"gen/a"}


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ("generator/a discriminator/a", "several state dicts: 'discriminator', 'generator'"),
        ("model/a state_dict/a", "several state dicts: 'model', 'state_dict'"),
        ("optimizer/state/0/exp_avg", "no state dict of a model"),
        ("", "no state dict of a model"),
    ],
)
def test_a_choice_that_nothing_decides_is_refused(paths: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chosen(*paths.split())


# The process and its limits -----------------------------------------------------------------------

LIMITED = """
import sys
sys.path.insert(0, sys.argv[1])
from pickle_worker import limit
limit(0, room=64 << 20, seconds=1)
"""


def limited(code: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    folder = str(Path(pickle_worker.__file__).parent)
    command = [sys.executable, "-c", LIMITED + code, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is bounded on Linux only")
def test_the_process_cannot_take_more_memory(tmp_path: Path) -> None:
    assert limited("bytearray(16 << 20)", tmp_path).returncode == 0
    assert "MemoryError" in limited("bytearray(200 << 20)", tmp_path).stderr


def test_the_process_cannot_write_a_file(tmp_path: Path) -> None:
    done = limited("open('canary', 'wb', buffering=0).write(b'x')", tmp_path)
    assert "File too large" in done.stderr
    assert not (tmp_path / "canary").read_bytes()


def test_the_process_cannot_take_more_time(tmp_path: Path) -> None:
    assert limited("while True: pass", tmp_path).returncode < 0


def test_the_process_cannot_open_many_files(tmp_path: Path) -> None:
    done = limited("files = [open('/dev/null') for _ in range(40)]", tmp_path)
    assert "Too many open files" in done.stderr


@pytest.mark.parametrize(
    ("code", "patience", "message"),
    [
        ("print('x' * (1 << 20))", 60, "stopped or failed"),
        ("import os; os.kill(os.getpid(), 11)", 60, r"\(SIGSEGV\)"),
        ("import time; time.sleep(600)", 2, r"\(SIGKILL\)"),
        ("raise SystemExit(3)", 60, r"\(code 3\)"),
    ],
)
def test_a_process_that_fails_is_an_error_not_a_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, patience: int, message: str
) -> None:
    (tmp_path / "worker.py").write_text(code)
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setattr(pickle_worker, "__file__", str(tmp_path / "worker.py"))
    monkeypatch.setattr(pickle_file, "_PATIENCE", patience)
    monkeypatch.setattr(pickle_file, "_LONGEST", 1000)
    with pytest.raises(ValueError, match=message):
        pickle_file._answer(opened_file.open_stored(str(tmp_path / "file")))
