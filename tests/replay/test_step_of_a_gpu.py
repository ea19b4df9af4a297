"""A step that a GPU trained with TF32, replayed here: right, though no spec says so of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from lossaudit.audit import recompute
from lossaudit.model.finding import Verdict
from lossaudit.model.replay import Replay
from lossaudit.model.result import Result
from lossaudit.spec.load import load_spec
from lossaudit.witnesses.replay.request import Pair, Request

FIXTURES = Path(__file__).parents[2] / "fixtures"
MAIN = FIXTURES / "musetalk-tiny" / "runs" / "main"
MADE = FIXTURES / "from-a-gpu"
SPEC = load_spec(str(MAIN / "lossaudit.yaml"))
PARTS = {"vae": str(MAIN / "vae"), "unet_config": str(MAIN / "unet" / "config.json")}
PREDICTED = ("image_pred", "image_pred_img")


def batch(folder: Path, without: tuple[str, ...] = (), is_told: bool = True) -> Path:
    """The batch of step 9, perhaps without predictions, or without the training's environment."""
    with safe_open(MADE / "batches" / "step-000009.safetensors", "pt") as file:
        tensors = {n: file.get_tensor(n) for n in file.keys() if n not in without}  # noqa: SIM118
        stated = file.metadata()
    if not is_told:
        del stated["environment"]
    path = folder / "step-000009.safetensors"
    save_file(tensors, path, stated)
    return path


def replayed(path: Path) -> tuple[Result, Replay]:
    pairs = (Pair(str(MADE / "checkpoint-8"), str(path)),)
    result = recompute(SPEC, Request(pairs, "run", PARTS, device="cpu"))
    (found,) = result.witnesses[0].replays
    assert found.depth == "full"
    return result, found


@pytest.mark.parametrize("without", [(), PREDICTED])
def test_it_passes_within_a_small_part_of_its_interval(
    without: tuple[str, ...], tmp_path: Path
) -> None:
    result, found = replayed(batch(tmp_path, without))
    assert (result.verdict, result.findings) == (Verdict.PASS, ()), result.reason
    assert "matrix products took TF32 inputs, as the batch says of its training" in found.caution
    assert found.total_logged is not None
    half = (found.total.high - found.total.low) / 2
    assert abs(found.total.value - found.total_logged) < 0.1 * half
    assert half < 0.002 * found.total.value


def test_without_what_the_batch_tells_float32_would_refute_it(tmp_path: Path) -> None:
    """So the test above can fail."""
    result, _ = replayed(batch(tmp_path, PREDICTED, is_told=False))
    assert result.verdict is Verdict.FAIL


def test_its_stored_predictions_pass_without_weights() -> None:
    path = str(MADE / "batches" / "step-000009.safetensors")
    result = recompute(SPEC, Request((Pair("", path),), "run"))
    assert result.verdict is Verdict.PASS
