"""Which logged total belongs to a batch: of another rank, micro-batch, run; and in which dtype."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import l1_loss, mse_loss

from lossaudit.audit import audit
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result
from lossaudit.witnesses.replay.request import Request

SPEC = """
name: two-terms
formula: 2.0*a + b
terms:
  a: {kind: l1, prediction: p, target: t}
  b: {kind: mse, prediction: q, target: u}
rivals: {exchanged: a + 2.0*b}
log: {total: loss}
"""

Tensors = dict[str, torch.Tensor]


def tensors(seed: int, dtype: torch.dtype = torch.float32) -> Tensors:
    """Of one step; `dtype` is that of the first term."""
    random = torch.Generator().manual_seed(seed)
    p, t = torch.randn(2, 4, 3, 8, 8, generator=random).to(dtype)
    q, u = torch.randn(2, 4, 5, generator=random)
    return {"p": p, "t": t, "q": q, "u": u}


def total_of(found: Tensors, weight: float = 2.0) -> float:
    return float(weight * l1_loss(found["p"], found["t"]) + mse_loss(found["q"], found["u"]))


class Run:
    """A run's folder, written step by step."""

    def __init__(self, folder: Path, spec: str = SPEC) -> None:
        self.folder = folder
        (folder / "batches").mkdir(parents=True)
        (folder / "lossaudit.yaml").write_text(spec)

    def batch(self, found: Tensors, **metadata: object) -> None:
        name = f"{len(list((self.folder / 'batches').iterdir())):03d}.safetensors"
        stated = {key: str(value) for key, value in metadata.items()}
        save_file({k: v.clone() for k, v in found.items()}, self.folder / "batches" / name, stated)

    def log(self, rows: Sequence[tuple[int, str]], name: str = "log.jsonl") -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f'{{"step": {s}, "loss": {text}}}\n' for s, text in rows))

    def audited(self) -> Result:
        return audit(str(self.folder), request=Request((), str(self.folder), device="cpu"))


@pytest.mark.parametrize("ranks", [(0, 1), (1,)])
def test_batches_of_other_ranks_are_held_against_the_totals_they_state(
    tmp_path: Path, ranks: Sequence[int]
) -> None:
    run, rows = Run(tmp_path), []
    for step in (1, 11, 21):
        for rank in (0, 1):
            found = tensors(step + rank)
            if rank in ranks:
                run.batch(found, step=step, total=repr(total_of(found)), rank=rank)
            if rank == 0:
                rows.append((step, repr(total_of(found))))
    run.log(rows)
    assert run.audited().verdict is Verdict.PASS


def test_wrong_weight_on_another_rank_fails(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for step in (1, 2):
        run.batch(tensors(step), step=step, total=repr(total_of(tensors(step), 2.02)), rank=1)
    run.log([(step, repr(total_of(tensors(step + 5)))) for step in (1, 2)])
    assert run.audited().verdict is Verdict.FAIL


def test_batch_of_another_rank_that_states_no_total_stays_undecided(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.batch(tensors(2), step=1, rank=1)
    run.log([(1, repr(total_of(tensors(1))))])
    result = run.audited()
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "no total was logged for the step" in result.reason


@pytest.mark.parametrize("written", [repr, "{:.3g}".format, "{:.2f}".format])
@pytest.mark.parametrize("place", [0, 3])
def test_micro_batch_that_does_not_state_its_total_refutes_nothing(
    tmp_path: Path, written: Callable[[float], str], place: int
) -> None:
    run, rows = Run(tmp_path), []
    for step in (1, 2, 3):
        for micro in range(4):
            found = tensors(10 * step + micro)
            rows.append((step, written(total_of(found))))
            if micro == place:
                run.batch(found, step=step)
    run.log(rows)
    assert run.audited().verdict is (Verdict.PASS if place == 3 else Verdict.INCONCLUSIVE)


def test_totals_of_no_micro_batch_fail(tmp_path: Path) -> None:
    run, rows = Run(tmp_path), []
    for step in (1, 2, 3):
        rows += [(step, repr(total_of(tensors(10 * step + m), 2.02))) for m in range(4)]
        run.batch(tensors(10 * step), step=step)
    run.log(rows)
    assert run.audited().verdict is Verdict.FAIL


def test_one_of_two_runs_logs_gives_the_totals(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for step in (1, 2, 3):
        run.batch(tensors(step), step=step)
    run.log([(s, repr(total_of(tensors(s)))) for s in (1, 2, 3)], "z/log.jsonl")
    run.log([(s, repr(total_of(tensors(s + 9)))) for s in (1, 2, 3)], "a/log.jsonl")
    result = run.audited()
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "does not state its total, and of the 2 that are logged" in json.dumps(result.reason)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("states_terms", [True, False])
@pytest.mark.parametrize(
    ("weight", "verdict"), [(2.0, Verdict.PASS), (2.4, Verdict.FAIL), (0.1, Verdict.FAIL)]
)
def test_term_in_half_precision_in_a_float32_total(
    tmp_path: Path, dtype: torch.dtype, states_terms: bool, weight: float, verdict: Verdict
) -> None:
    run = Run(tmp_path)
    for step in (1, 2, 3):
        found = tensors(step, dtype)
        a, b = (found["p"] - found["t"]).abs().mean(), mse_loss(found["q"], found["u"])
        total = weight * a + b
        assert (a.dtype, total.dtype) == (dtype, torch.float32)
        stated = {"a": repr(float(a)), "b": repr(float(b))} if states_terms else {}
        run.batch(found, step=step, total=repr(float(total)), dtype="float32", **stated)
    assert run.audited().verdict is verdict


def test_half_tensors_widened_before_the_loss_keep_float32_tolerances(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for step in (1, 2, 3):
        found = tensors(step, torch.bfloat16)
        a = l1_loss(found["p"].float(), found["t"].float())
        b = mse_loss(found["q"], found["u"])
        total = 2.001 * a + b
        stated = {"a": repr(float(a)), "b": repr(float(b))}
        run.batch(found, step=step, total=repr(float(total)), dtype="float32", **stated)
    assert run.audited().verdict is Verdict.FAIL


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf")])
@pytest.mark.parametrize("by_index", [True, False])
def test_nonfinite_loss_outside_a_mask_decides_nothing(
    tmp_path: Path, spoilt: float, by_index: bool
) -> None:
    run = Run(tmp_path, SPEC.replace("target: t}", "target: t, region: 'mask:m'}"))
    for step in (1, 2):
        found = tensors(step)
        found["p"][:, :, 0] = spoilt
        found["m"] = torch.ones(4, 8, 8)
        found["m"][:, 0] = 0
        rows = (found["p"] - found["t"]).abs()
        a = rows[:, :, 1:].mean() if by_index else (rows * found["m"][:, None]).mean()
        total = float(2.0 * a + mse_loss(found["q"], found["u"]))
        run.batch(found, step=step, total=repr(total))
    assert run.audited().verdict is Verdict.INCONCLUSIVE


def test_nonfinite_loss_inside_a_mask_refutes_a_finite_total(tmp_path: Path) -> None:
    run = Run(tmp_path, SPEC.replace("target: t}", "target: t, region: 'mask:m'}"))
    found = {**tensors(1), "m": torch.ones(4, 8, 8)}
    found["p"][:, :, 0] = float("nan")
    run.batch(found, step=1, total="4.0")
    assert run.audited().verdict is Verdict.FAIL
