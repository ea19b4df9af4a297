"""Another project's model: a function in a module of its own, trusted, blamed for its errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lossaudit.errors import LossauditError, UsageError
from lossaudit.witnesses.replay.adapter import PassOptions, load_adapter

MODULE = """
import torch

def twice(checkpoint, tensors, device, dtype):
    weight = torch.tensor(3.0, dtype=dtype, device=device)
    return {"prediction": tensors["seen"].to(device, dtype) * weight}

def noisy(checkpoint, tensors, device, dtype):
    return {"prediction": torch.randn(3)}

def lowered(checkpoint, tensors, device, dtype):
    assert not torch.is_grad_enabled()
    return {"prediction": torch.eye(2) @ torch.full((2, 2), 1 + 2**-20)}

def says(checkpoint, tensors, device, dtype):
    return {"prediction": torch.tensor(float(checkpoint.step)), "device": torch.tensor(len(device))}

def broken(checkpoint, tensors, device, dtype):
    return tensors["no such tensor"]

def number(checkpoint, tensors, device, dtype):
    return 3

def numbers(checkpoint, tensors, device, dtype):
    return {"prediction": 3}

nothing = None
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with a module, as the current one."""
    (tmp_path / "own_net.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("own_net", None)


def run(name: str, options: PassOptions | None = None) -> dict[str, torch.Tensor]:
    adapter = load_adapter(name)
    models = adapter.load(None, {}, "cpu")
    tensors = {"seen": torch.tensor([1.0, 2.0])}
    return adapter.forward(models, tensors, "full", options or PassOptions())


def test_a_function_is_an_adapter_and_says_that_it_is_trusted() -> None:
    assert run("own_net:twice")["prediction"].tolist() == [3.0, 6.0]
    assert run("own_net:twice", PassOptions(dtype="float64"))["prediction"].dtype == torch.float64
    notice = load_adapter("own_net:twice").notice
    assert notice == "own_net:twice is trusted code: it is imported and run with your rights"
    assert load_adapter("musetalk-v1").notice == ""


def test_draws_repeat_and_leave_torch_s_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (
        run("own_net:noisy", PassOptions(draw=d))["prediction"] for d in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_autocast_and_no_gradients_are_as_declared() -> None:
    assert run("own_net:lowered")["prediction"].dtype == torch.float32
    assert (
        run("own_net:lowered", PassOptions(autocast="bfloat16"))["prediction"].dtype
        == torch.bfloat16
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_net:broken", "raised KeyError: 'no such tensor'"),
        ("own_net:number", "returned int"),
        ("own_net:numbers", "returned int as 'prediction'"),
        ("own_net:nothing", "is no function"),
        ("own_net:absent", "raised AttributeError"),
        ("no_such_module:f", "raised ModuleNotFoundError: No module named 'no_such_module'"),
        ("own_net:", "--adapter 'own_net:'"),
        (":twice", "--adapter ':twice'"),
    ],
)
def test_faults_of_the_function_are_its_own(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(name)
    assert message in str(caught.value)
    assert "expected: " in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LossauditError) as caught:
        load_adapter("musetalk")
    assert "no adapter is called 'musetalk'" in str(caught.value)
    assert "musetalk-v1" in str(caught.value)
    assert "package.module:function" in str(caught.value)


def test_naming_an_adapter_imports_no_torch() -> None:
    code = (
        "import sys\nfrom lossaudit.witnesses.replay.adapter import load_adapter\n"
        "load_adapter('musetalk-v1')\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
