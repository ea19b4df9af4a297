"""Sample batches: what their metadata may say, and at which depth they can be replayed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import save_file

from lossaudit.errors import InputError, UsageError
from lossaudit.spec.load import load_spec
from lossaudit.witnesses.replay.batch import SampleBatch, depth_of, read_batch

BATCHES = Path(__file__).parents[3] / "fixtures" / "musetalk-tiny" / "runs" / "main" / "batches"
MUSETALK = load_spec("musetalk-v1")


def written(folder: Path, **metadata: str) -> str:
    path = folder / "batch.safetensors"
    save_file({"image": torch.zeros(1)}, path, metadata)
    return str(path)


def test_a_recorded_batch_is_read_whole() -> None:
    found = read_batch(str(BATCHES / "step-000101.safetensors"))
    assert (found.step, found.dtype, bool(found.rng)) == (101, "float32", True)
    assert found.total == 0.33384963870048523
    assert found.terms == {
        "loss_lip": 0.07732165604829788,
        "loss_latents": 0.17920632660388947,
    }
    assert found.producer == "fixtures/musetalk-tiny/train.py"
    assert found.tensors["image_pred_img"].shape == (4, 3, 32, 32)
    assert len(found.file.sha256) == 64


def test_a_batch_without_metadata_says_nothing_of_its_step(tmp_path: Path) -> None:
    found = read_batch(written(tmp_path))
    assert (found.step, found.total, found.dtype, dict(found.terms)) == (None, None, None, {})


@pytest.mark.parametrize(
    "step", ["-1", "1.0", "1e3", "0x10", "1_000", "٣", " 1", "9" * 16, "9" * 5000, "\x1b[31m1"]
)
def test_a_step_is_a_whole_number_of_bounded_length(tmp_path: Path, step: str) -> None:
    with pytest.raises(InputError) as caught:
        read_batch(written(tmp_path, step=step))
    text = str(caught.value)
    assert "the metadata's step is" in text
    assert "\x1b" not in text
    assert len(text) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("total", ["1_0", "0x1p3", "1,5", "infinity", "1e99999", "١", "9" * 900])
def test_a_total_is_a_plain_number(tmp_path: Path, total: str) -> None:
    with pytest.raises(InputError, match="the metadata's total is"):
        read_batch(written(tmp_path, total=total))


@pytest.mark.parametrize("total", ["0.5", "-1e-5", "nan", "inf", "-inf"])
def test_a_diverged_run_may_say_so(tmp_path: Path, total: str) -> None:
    assert repr(read_batch(written(tmp_path, total=total)).total) == repr(float(total))


def test_a_dtype_is_one_of_four(tmp_path: Path) -> None:
    assert read_batch(written(tmp_path, dtype="torch.bfloat16")).dtype == "bfloat16"
    with pytest.raises(InputError, match="the metadata's dtype is 'int8'"):
        read_batch(written(tmp_path, dtype="int8"))


def test_text_among_the_metadata_is_no_term(tmp_path: Path) -> None:
    found = read_batch(written(tmp_path, loss_lip="0.5", note="hello", rng="{}", weights="{}"))
    assert found.terms == {"loss_lip": 0.5}
    assert found.rng == "{}"


class Model:
    """What depth_of asks of an adapter."""

    def __init__(self) -> None:
        self.name = "model"
        self.inputs = {"decoder": (), "full": ()}
        self.outputs = {"decoder": ("image_pred_img",), "full": ("image_pred", "image_pred_img")}

    def missing(self, depth: str, tensors: object) -> list[str]:
        needs = {"decoder": "image_pred", "full": "masked_latents"}[depth]
        return [] if needs in tensors else [needs]  # type: ignore[operator]


def without(*names: str) -> SampleBatch:
    batch = read_batch(str(BATCHES / "step-000101.safetensors"))
    return replace(batch, tensors={n: t for n, t in batch.tensors.items() if n not in names})


@pytest.mark.parametrize(
    ("left_out", "depth"),
    [
        ((), "tensors"),
        (("image_pred_img",), "decoder"),
        (("image_pred_img", "image_pred"), "full"),
    ],
)
def test_the_depth_is_the_shallowest_that_the_tensors_allow(
    left_out: tuple[str, ...], depth: str
) -> None:
    assert depth_of(MUSETALK, without(*left_out), Model()) == depth


def test_a_batch_that_lacks_a_prediction_needs_a_model() -> None:
    with pytest.raises(InputError) as caught:
        depth_of(MUSETALK, without("image_pred_img"))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith(
        "step-000101.safetensors: the batch lacks 'image_pred_img' of 'loss_lip'"
    )
    assert lines[1].startswith("  expected: a prediction and a target of every term; there are ")
    assert lines[2] == "  try: name a model that computes them, with --adapter"


def test_what_no_depth_can_give_is_named_for_each() -> None:
    with pytest.raises(InputError) as caught:
        depth_of(MUSETALK, without("image_pred_img", "image", "masked_latents"), Model())
    first = str(caught.value).splitlines()[0]
    assert first.endswith(
        "lacks 'image' of 'loss_lip', 'image_pred_img' of 'loss_lip'; model at depth "
        "'decoder' lacks 'image'; 'full' lacks masked_latents, 'image'"
    )


def test_a_term_without_a_definition_is_named() -> None:
    with pytest.raises(UsageError, match="does not say what the term 'loss_lip' is computed from"):
        depth_of(replace(MUSETALK, terms={}), without())
