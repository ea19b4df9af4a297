"""A GPU replays the tiny run as the CPU does; a run trained on a GPU is right on both."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from tiny_training import MAIN, SAVED, train
from typer.testing import CliRunner

from lossaudit.audit import audit, recompute
from lossaudit.cli.main import app
from lossaudit.errors import UsageError
from lossaudit.model.finding import Verdict
from lossaudit.model.replay import Replay
from lossaudit.model.result import Result
from lossaudit.spec.load import load_spec
from lossaudit.spec.schema import Spec
from lossaudit.witnesses.replay.request import Pair, Request

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")

SPEC = load_spec(str(MAIN / "lossaudit.yaml"))
PARTS = {"vae": str(MAIN / "vae"), "unet_config": str(MAIN / "unet" / "config.json")}
DEVICES = ("cpu", "cuda:0")
PREDICTED = ("image_pred", "image_pred_img")


def batch(step: int) -> Path:
    return MAIN / "batches" / f"step-{step:06d}.safetensors"


def without(step: int, folder: Path, *names: str) -> Path:
    """The batch of a step without some tensors."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(batch(step), "pt") as file:
        tensors = {n: file.get_tensor(n) for n in file.keys() if n not in names}  # noqa: SIM118
        stated = file.metadata()
    path = folder / f"step-{step:06d}.safetensors"
    save_file(tensors, path, stated)
    return path


def replayed(checkpoint: int, path: Path, device: str, spec: Spec = SPEC) -> Result:
    weights = str(MAIN / f"checkpoint-{checkpoint}") if checkpoint else ""
    return recompute(spec, Request((Pair(weights, str(path)),), "run", PARTS, device=device))


def the(result: Result) -> Replay:
    (found,) = result.witnesses[0].replays
    return found


def lowered(autocast: str) -> Spec:
    return replace(SPEC, replay=dataclasses.replace(SPEC.replay, autocast=autocast))


def assert_within(one: Replay, other: Replay) -> None:
    """Each device's numbers lie in the other's intervals."""
    for name, term in one.terms.items():
        beside = other.terms[name]
        assert beside.low <= term.value <= beside.high, name
        assert term.low <= beside.value <= term.high, name


# The tiny run -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("checkpoint", "step"), [(100, 101), (300, 301)])
@pytest.mark.parametrize("autocast", ["none", "float16", "bfloat16"])
def test_all_of_it_on_cuda_agrees_with_the_run_and_with_the_cpu(
    checkpoint: int, step: int, autocast: str, tmp_path: Path
) -> None:
    path = without(step, tmp_path, *PREDICTED)
    here, there = (replayed(checkpoint, path, d, lowered(autocast)) for d in DEVICES)
    assert [(the(r).device, the(r).depth) for r in (here, there)] == [(d, "full") for d in DEVICES]
    assert_within(the(there), the(here))
    assert the(there).agrees is True
    assert there.verdict == here.verdict == Verdict.PASS
    widths = [the(r).total.high - the(r).total.low for r in (here, there)]
    assert max(widths) < 4 * min(widths)  # as much rounds on either, in the same numbers


@pytest.mark.parametrize("step", [1, 101, 300, 301, 400])
def test_the_decoder_alone_on_cuda_agrees(step: int, tmp_path: Path) -> None:
    path = without(step, tmp_path, "image_pred_img")
    here, there = (replayed(0, path, d) for d in DEVICES)
    assert (the(there).device, the(there).depth) == ("cuda:0", "decoder")
    assert_within(the(there), the(here))
    assert there.verdict is here.verdict is Verdict.PASS


def test_stored_tensors_stay_on_the_cpu() -> None:
    found = the(replayed(0, batch(301), "cuda"))
    assert (found.device, found.depth, found.agrees) == ("cpu", "tensors", True)


def test_cuda_repeats_its_numbers() -> None:
    first, second = (the(replayed(300, batch(301), "cuda")) for _ in range(2))
    assert first.terms == second.terms


def test_the_off_by_one_checkpoint_is_named_on_cuda() -> None:
    result = replayed(300, batch(300), "cuda")
    assert result.verdict is Verdict.INCONCLUSIVE
    assert [f.check for f in result.findings] == ["misaligned-checkpoint"]
    assert "checkpoint-300 reproduces step 301, not step 300" in result.findings[0].message


@pytest.mark.parametrize("names", [(), PREDICTED])
def test_the_wrong_region_is_named_on_cuda(names: tuple[str, ...], tmp_path: Path) -> None:
    lip = dataclasses.replace(SPEC.terms["loss_lip"], region="whole")
    spec = replace(SPEC, terms={**SPEC.terms, "loss_lip": lip})
    result = replayed(300, without(301, tmp_path, *names), "cuda", spec)
    assert result.verdict is Verdict.FAIL
    assert [f.check for f in result.findings] == ["wrong-region"]
    assert "`loss_lip` is taken on the lower half, not on the whole" in result.findings[0].message


def test_the_figures_formula_is_refuted_on_cuda(tmp_path: Path) -> None:
    figure = replace(
        SPEC,
        formula=SPEC.rivals["diagram"][0],
        formula_text=SPEC.rivals["diagram"][1],
        rivals={"code": (SPEC.formula, SPEC.formula_text)},
    )
    result = replayed(300, without(301, tmp_path, *PREDICTED), "cuda", figure)
    assert result.verdict is Verdict.FAIL
    assert [f.check for f in result.findings] == ["rival-formula"]


def test_audits_on_cuda_have_the_verdicts_of_the_cpu() -> None:
    for name in ("main", "figure"):
        here, there = (audit(str(MAIN.parent / name), request=asked(d)) for d in DEVICES)
        assert there.verdict is here.verdict is (Verdict.PASS if name == "main" else Verdict.FAIL)
        assert [w.verdict for w in there.witnesses] == [w.verdict for w in here.witnesses]
        assert [f.check for f in there.findings] == [f.check for f in here.findings]
    used = {r.device for r in audit(str(MAIN), request=asked("cuda")).witnesses[-1].replays}
    assert used == set(DEVICES)


def asked(device: str) -> Request:
    return Request((), "run", device=device)


def test_what_it_was_computed_with_is_told() -> None:
    told = replayed(300, batch(301), "cuda").witnesses[0].environment
    assert told["device_name"] == torch.cuda.get_device_name(0)
    flags = {"tf32_matmul": "off", "tf32_convolution": "off", "cudnn_deterministic": "on"}
    assert {name: told[name] for name in flags} == flags
    assert {"capability", "cuda", "cudnn", "cublas_workspace"} <= told.keys()


# Without memory -----------------------------------------------------------------------------------


@contextmanager
def no_memory() -> Iterator[None]:
    """A GPU of which this process may take nothing more."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-6)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_gpu_without_memory_is_an_error_that_names_it() -> None:
    with no_memory(), pytest.raises(UsageError, match=r"--device cuda:0: CUDA out of memory"):
        replayed(300, batch(301), "cuda")
    arguments = ["recompute", str(MAIN / "checkpoint-300"), "-b", str(batch(301))]
    with no_memory():
        done = CliRunner().invoke(app, [*arguments, "--device", "cuda"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("--device cuda:0: CUDA out of memory.")
    assert "try: --device cpu" in done.stderr
    assert the(replayed(300, batch(301), "cuda")).agrees is True  # and there is again


def test_an_audit_on_a_gpu_without_memory_replays_what_the_batches_hold() -> None:
    with no_memory():
        result = audit(str(MAIN), request=asked("cuda"))
    assert result.verdict is Verdict.PASS
    assert {r.depth for r in result.witnesses[-1].replays} == {"tensors"}
    assert "CUDA out of memory" in "\n".join(why for _, why in result.skipped)


def test_a_gpu_that_is_not_there_is_a_usage_error() -> None:
    many = torch.cuda.device_count()
    done = CliRunner().invoke(app, ["audit", str(MAIN), "--device", f"cuda:{many}"])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"--device cuda:{many}: there are {many}\n")


# Other processes ----------------------------------------------------------------------------------


def lossaudit(folder: Path, *arguments: str, gpu: bool) -> subprocess.CompletedProcess[str]:
    seen = dict(os.environ) if gpu else {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "lossaudit", *arguments]
    return subprocess.run(
        command, cwd=folder, env=seen, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("made_on_gpu", [False, True])
def test_a_result_of_one_device_is_verified_on_the_other(made_on_gpu: bool, tmp_path: Path) -> None:
    shutil.copytree(MAIN, tmp_path / "run")
    made = lossaudit(
        tmp_path, "audit", "run", "--quiet", "--report", "json=result.json", gpu=made_on_gpu
    )
    assert made.returncode == 0, made.stderr
    ran = lossaudit(tmp_path, "verify", "result.json", gpu=not made_on_gpu)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.startswith("✓ verified: PASS musetalk-tiny, within the stated bounds\n")
    again = lossaudit(tmp_path, "verify", "result.json", gpu=made_on_gpu)
    assert again.stdout.startswith("✓ verified: PASS musetalk-tiny, identical\n"), again.stdout


def test_two_ranks_on_one_gpu_have_the_numbers_of_one(tmp_path: Path) -> None:
    tail = ["audit", str(MAIN), "--device", "cuda:0", "--quiet", "--report"]
    alone = lossaudit(tmp_path, *tail, "json=one.json", gpu=True)
    assert alone.returncode == 0, alone.stderr
    recomputed = ["recompute", *(str(MAIN / f"checkpoint-{c}") for c in (100, 300))]
    recomputed += ["-b", str(MAIN / "batches"), "--device", "cuda:0", "--quiet", "--report"]
    assert lossaudit(tmp_path, *recomputed, "json=single.json", gpu=True).returncode == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "lossaudit", *recomputed, "json=both.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, both = (
        json.loads((tmp_path / f"{name}.json").read_text())["witnesses"][0]["replays"]
        for name in ("single", "both")
    )
    assert one == both


# A run trained on the GPU -------------------------------------------------------------------------


@contextmanager
def tf32_products() -> Iterator[None]:
    """As `torch.backends.cuda.matmul.allow_tf32 = True` at the top of a training script."""
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def judged(folder: Path, device: str, autocast: str = "none") -> tuple[Result, Replay]:
    """The audit of a run, and the replay of the step after its checkpoint."""
    spec = load_spec(str(folder / "lossaudit.yaml"))
    spec = replace(spec, replay=dataclasses.replace(spec.replay, autocast=autocast))
    result = audit(str(folder), spec, request=asked(device))
    found: Any = next(r for r in result.witnesses[-1].replays if r.step == SAVED + 1)
    assert found.depth == "full"
    return result, found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("products", [False, True])
def test_a_run_trained_on_cuda_with_tf32_passes_though_no_spec_says_so(
    products: bool, device: str, tmp_path: Path
) -> None:
    if products:
        with tf32_products():
            train(tmp_path / "run", "cuda:0")
    else:
        train(tmp_path / "run", "cuda:0")
    result, found = judged(tmp_path / "run", device)
    assert result.verdict is Verdict.PASS, result.reason
    assert ("matrix products took TF32 inputs" in found.caution) == products
    assert (found.total.high - found.total.low) / found.total.value < 0.05


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("autocast", ["float16", "bfloat16"])
def test_a_run_trained_on_cuda_under_autocast_passes(
    autocast: str, device: str, tmp_path: Path
) -> None:
    train(tmp_path / "run", "cuda:0", autocast=getattr(torch, autocast))
    result, _ = judged(tmp_path / "run", device, autocast)
    assert result.verdict is Verdict.PASS, result.reason


@pytest.mark.parametrize("device", DEVICES)
def test_the_figures_weights_in_a_run_trained_on_cuda_fail(device: str, tmp_path: Path) -> None:
    train(tmp_path / "run", "cuda:0", lambda lip, latents: lip + 2.0 * latents)
    result, _ = judged(tmp_path / "run", device)
    assert result.verdict is Verdict.FAIL
    assert "rival-formula" in {f.check for f in result.findings}


@pytest.mark.parametrize("device", DEVICES)
def test_draws_of_a_gpu_are_made_again_there_and_nowhere_else(device: str, tmp_path: Path) -> None:
    train(
        tmp_path / "run",
        "cuda:0",
        kept=("image", "masked_image", "ref_image", "audio_feature", "masked_latents"),
    )
    (tmp_path / "run" / "batches" / "step-000001.safetensors").unlink()
    result, found = judged(tmp_path / "run", device)
    assert result.verdict is Verdict.PASS, result.reason
    again = "drawn again from the batch's random state" in found.caution
    assert again == (device != "cpu")
    assert ("drawn 8 times" in found.caution) == (not again)
