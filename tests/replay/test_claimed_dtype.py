"""A batch that claims a coarse dtype, in which its total cannot have been formed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lossaudit.audit import recompute
from lossaudit.model.finding import Verdict
from lossaudit.model.result import ExitCode, Result
from lossaudit.spec.load import load_spec
from lossaudit.witnesses.replay.request import Pair, Request
from lossaudit.witnesses.replay.term_dtype import may_be_in

SPEC = """
name: one-term
formula: 2.0*loss_code + loss_other
terms:
  loss_code: {kind: l1, prediction: told, target: code}
  loss_other: {kind: l1, prediction: told, target: other}
"""


def replayed(folder: Path, dtype: str, factor: float = 1.0, is_rounded: bool = False) -> Result:
    """A float32 step whose total is `factor` off, under a claim."""
    generator = torch.Generator().manual_seed(3)
    tensors = {n: torch.rand(4, 16, generator=generator) for n in ("told", "code", "other")}
    l1 = torch.nn.functional.l1_loss
    total = 2.0 * l1(tensors["told"], tensors["code"]) + l1(tensors["told"], tensors["other"])
    total *= factor
    stated = (total.to(getattr(torch, dtype)) if is_rounded else total).item()
    path = folder / "step-000002.safetensors"
    save_file(tensors, path, {"step": "2", "total": repr(stated), "dtype": dtype})
    (folder / "lossaudit.yaml").write_text(SPEC)
    spec = load_spec(str(folder / "lossaudit.yaml"))
    return recompute(spec, Request((Pair("", str(path)),), "batch"))


@pytest.mark.parametrize("factor", [1.0, 1.004])
def test_an_unearned_dtype_is_refused_and_excuses_no_residual(
    tmp_path: Path, factor: float
) -> None:
    result = replayed(tmp_path, "bfloat16", factor)
    assert (result.verdict, result.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.DAMAGED)
    (found,) = result.findings
    assert found.check == "damaged-input"
    assert "says that the total is bfloat16, and " in found.message
    assert replayed(tmp_path, "float32", 1.004).verdict is Verdict.FAIL


def test_an_earned_dtype_is_believed(tmp_path: Path) -> None:
    result = replayed(tmp_path, "bfloat16", is_rounded=True)
    assert result.findings == () or {f.check for f in result.findings} == {"surviving-rival"}
    assert result.reason.startswith("the formula holds on the one replayed step")
    assert result.witnesses[0].replays[0].dtype == "bfloat16"
    assert replayed(tmp_path, "float32").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("total", "dtype"),
    [
        (1.234375, "bfloat16"),  # on the grid, whose spacing is 0.0078 here
        (1.2344, "bfloat16"),  # the same, written with four decimals
        (1.23, "bfloat16"),
        (3.0, "bfloat16"),
        (1e-3, "float16"),
        (float("nan"), "bfloat16"),
        (float("-inf"), "float16"),
    ],
)
def test_a_total_that_may_be_of_the_dtype(total: float, dtype: str) -> None:
    assert may_be_in(total, dtype)


@pytest.mark.parametrize(
    ("total", "dtype"),
    [
        (1.2301, "bfloat16"),
        (0.19997131824493408, "bfloat16"),
        (0.19997131824493408, "float16"),
        (70000.0, "float16"),  # beyond its largest number
        (1e39, "float32"),
    ],
)
def test_a_total_that_is_not_of_the_dtype(total: float, dtype: str) -> None:
    assert not may_be_in(total, dtype)
