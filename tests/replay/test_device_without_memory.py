"""A GPU that has no memory left, or fails: an error that names it, and no fault of the batch."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from lossaudit.cli.main import app
from lossaudit.errors import InputError, UsageError
from lossaudit.witnesses.replay.device import told_of_device
from lossaudit.witnesses.replay.forward_pass import told_with_shapes

ROOT = Path(__file__).parents[2]
RUN = ROOT / "fixtures" / "musetalk-tiny" / "runs" / "main"
TORCHS = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.18 GiB of "
    "which 1.00 GiB is free. Including non-PyTorch memory, this process has 558.00 MiB memory in "
    "use. Of the allocated memory 1.00 GiB is allocated by PyTorch"
)
MODULE = f"""
import torch

def too_large(checkpoint, tensors, device, dtype):
    raise torch.OutOfMemoryError({TORCHS!r})
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a model that needs too much memory, and a batch that it is to run on."""
    (tmp_path / "large_net.py").write_text(MODULE)
    shutil.copy(RUN / "batches" / "step-000301.safetensors", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("large_net", None)


def test_recompute_says_which_device_lacks_what_and_what_to_do(project: Path) -> None:
    arguments = ["recompute", str(RUN / "checkpoint-300"), "-b", "step-000301.safetensors"]
    options = ["-s", "musetalk-v1", "--adapter", "large_net:too_large", "--device", "cpu"]
    done = CliRunner().invoke(app, [*arguments, *options])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.endswith(
        "--device cpu: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity "
        "of 79.18 GiB of which 1.00 GiB is free.\n"
        "  expected: a GPU that works and has memory for the networks and a step\n"
        "  try: --device cpu; or another GPU, or end what else uses this one\n"
    )


def test_other_errors_of_torch_are_still_of_the_tensors() -> None:
    with (
        pytest.raises(InputError, match="the networks cannot be run on this batch: shapes"),
        told_of_device("cuda:0"),
        told_with_shapes({}),
    ):
        raise RuntimeError("shapes do not fit")


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_errors_of_the_device_are_none_of_the_tensors(kind: type[RuntimeError]) -> None:
    with (
        pytest.raises(UsageError, match="--device cuda:0: CUDA error: an illegal memory access"),
        told_of_device("cuda:0"),
        told_with_shapes({}),
    ):
        raise kind("CUDA error: an illegal memory access was encountered\nCUDA kernel errors")
