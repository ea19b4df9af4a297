"""safetensors files: the same tensors as the library gives, over the file's own bytes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from stored_samples import TWO, safetensors

from lossaudit.errors import InputError
from lossaudit.witnesses.replay import opened_file
from lossaudit.witnesses.replay.tensor_file import open_tensor_file

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool,
]  # fmt: skip


@pytest.fixture(params=[opened_file.SMALL, 0], ids=["in memory", "mapped"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_file, "SMALL", request.param)


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_file, "SMALL", 0)


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 5)])
def test_every_dtype_is_read_as_the_library_reads_it(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    draw = torch.Generator().manual_seed(0)
    wanted = {str(dtype): torch.randint(0, 2, shape, generator=draw).to(dtype) for dtype in DTYPES}
    save_file(wanted, tmp_path / "x", {"step": "7"})
    found = open_tensor_file(str(tmp_path / "x"))
    library = load_file(tmp_path / "x")
    assert found.tensors.keys() == library.keys()
    assert found.metadata == {"step": "7"}
    for name, tensor in library.items():
        assert found.tensors[name].dtype is tensor.dtype
        assert torch.equal(found.tensors[name], tensor)


@pytest.mark.usefixtures("_either_way")
def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors(TWO))
    stored = open_tensor_file(str(path)).file
    assert stored.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (stored.path, stored.size) == (str(path), path.stat().st_size)


@pytest.mark.usefixtures("_either_way")
def test_writing_to_a_tensor_changes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(content := safetensors(TWO))
    open_tensor_file(str(path)).tensors["a"].fill_(1)
    assert path.read_bytes() == content


@pytest.mark.usefixtures("mapped")
def test_tensors_share_the_mapped_pages(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(safetensors(TWO))
    tensors = open_tensor_file(str(path)).tensors
    apart = tensors["b"].data_ptr() - tensors["a"].data_ptr()
    assert apart == TWO["b"]["data_offsets"][0]
    with path.open("r+b") as file:
        file.seek(-24, os.SEEK_END)
        file.write(b"\0\0\x80\x3f")
    assert tensors["a"][0, 0] == 1.0


def test_a_tensor_at_an_odd_byte_is_copied_and_right(tmp_path: Path) -> None:
    header = {
        "byte": {"dtype": "I8", "shape": [1], "data_offsets": [0, 1]},
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
    }
    wanted = torch.tensor([1.5, -2.0])
    (tmp_path / "x").write_bytes(safetensors(header, b"\1" + wanted.numpy().tobytes()))
    found = open_tensor_file(str(tmp_path / "x")).tensors["a"]
    assert torch.equal(found, wanted)
    assert found.data_ptr() % 4 == 0


@pytest.mark.usefixtures("mapped")
def test_tensors_outlive_the_file_that_gave_them(tmp_path: Path) -> None:
    path = tmp_path / "x"
    save_file({"a": torch.arange(5.0)}, path)
    tensor = open_tensor_file(str(path)).tensors["a"]
    path.unlink()
    assert torch.equal(tensor, torch.arange(5.0))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError) as caught:
        open_tensor_file("/nowhere/x.safetensors")
    assert str(caught.value) == (
        "/nowhere/x.safetensors: cannot be read: No such file or directory"
    )
