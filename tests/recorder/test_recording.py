"""A recorder in a loop: what it writes, when, and that nothing a loop passes stops the loop."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recorded import batch_of, columns_of, files_of

from lossaudit.audit import check_logs
from lossaudit.errors import UsageError
from lossaudit.recorder import Recorder
from lossaudit.spec.load import spec_from_formula


def train(recorder: Recorder, steps: range, size: int = 8) -> list[tuple[int, float, float, float]]:
    """A loop with two terms; what it logged: step, total, loss_lip, loss_latents."""
    weight = torch.nn.Parameter(torch.linspace(-1, 1, size))
    logged = []
    for step in steps:
        torch.manual_seed(step)
        image, latents = torch.rand(size), torch.rand(size).half()
        recorder.begin(step, {"image": image})
        image = image[size // 2 :]  # what is kept is the whole one
        image_pred = weight * torch.rand(size)
        recorder.keep({"image_pred": image_pred})
        loss_lip = (image_pred[size // 2 :] - image).abs().mean()
        loss_latents = (image_pred - latents).abs().mean()
        total = 2.0 * loss_lip + loss_latents
        terms = {"loss_lip": loss_lip, "loss_latents": loss_latents}
        recorder.record(step, total, terms, {"latents": latents})
        total.backward()
        logged.append((step, total.item(), loss_lip.item(), loss_latents.item()))
    return logged


def test_recorded_log_reads_back_at_full_precision_and_passes(tmp_path: Path) -> None:
    logged = train(Recorder(tmp_path, every=3), range(1, 12))
    found = columns_of(tmp_path / "record" / "terms.jsonl")
    expected = [row for row in logged if row[0] in (1, 4, 7, 10)]
    assert list(found) == ["step", "total", "loss_lip", "loss_latents"]
    assert list(zip(*found.values(), strict=True)) == expected
    spec = spec_from_formula("total = 2.0*loss_lip + loss_latents")
    result = check_logs(spec, [str(tmp_path / "record" / "terms.jsonl")])
    assert (result.verdict.name, result.witnesses[0].decided) == ("PASS", 4)


def test_batch_holds_what_the_terms_were_computed_from(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, every=3)
    _, (_, total, lip, latents) = train(recorder, range(3, 5))
    metadata, tensors = batch_of(tmp_path / "batches" / "step-000004.safetensors")
    rng, weights = metadata.pop("rng"), metadata.pop("weights")
    told = json.loads(metadata.pop("environment"))
    assert (told["torch"], told["device"], told["seed"]) == (torch.__version__, "cpu", "4")
    assert metadata == {
        "step": "4",
        "total": repr(total),
        "loss_lip": repr(lip),
        "loss_latents": repr(latents),
        "dtype": "float32",
        "producer": metadata["producer"],
    }
    assert metadata["producer"].startswith("lossaudit.recorder")
    assert json.loads(weights) == {"loss_lip": 2.0, "loss_latents": 1.0}
    assert "torch" in json.loads(rng)
    half = tensors["image"][4:] - tensors["image_pred"][4:]
    assert half.abs().mean().item() == lip
    assert (tensors["latents"] - tensors["image_pred"]).abs().mean().item() == latents
    assert {name: str(t.dtype) for name, t in tensors.items()} == {
        "image": "torch.float32",
        "image_pred": "torch.float32",
        "latents": "torch.float16",
    }
    assert recorder.lost == ()


def test_every_counts_from_the_step_after_a_checkpoint_and_at_adds_to_it() -> None:
    recorder = Recorder("unused", every=100, at=(0, 250))
    due = [step for step in range(302) if recorder.is_due(step)]
    assert due == [0, 1, 101, 201, 250, 301]
    assert not any(Recorder("unused", every=None).is_due(step) for step in range(1001))
    assert not Path("unused").exists()


def test_first_micro_batch_of_a_step_is_the_one_recorded(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, every=1)
    for total in (1.0, 2.0, 3.0):
        recorder.record(7, total, {"a": total})
    recorder.record(8, 4.0, {"a": 4.0})
    assert columns_of(tmp_path / "record" / "terms.jsonl")["total"] == [1.0, 4.0]


def test_resumed_run_appends_and_its_batch_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    first = train(Recorder(tmp_path, every=2), range(1, 7))
    weight_of_a_new_process = Recorder(tmp_path, every=2)
    weight_of_a_new_process.record(5, 0.5, {"loss_lip": 0.25, "loss_latents": 0.0})
    again = train(Recorder(tmp_path, every=2), range(5, 8), size=4)
    found = columns_of(tmp_path / "record" / "terms.jsonl")
    assert found["step"] == [1, 3, 5, 5, 5, 7]
    assert found["total"] == [first[0][1], first[2][1], first[4][1], 0.5, again[0][1], again[2][1]]
    metadata, tensors = batch_of(tmp_path / "batches" / "step-000005.safetensors")
    assert metadata["total"] == repr(again[0][1])
    assert tensors["image"].shape == (4,)


class Scalar:
    """A number of a library that we do not know."""

    def __float__(self) -> float:
        return 0.5


@pytest.mark.parametrize(
    ("value", "expected", "dtype"),
    [
        (0.1, 0.1, "float64"),
        (3, 3.0, "float64"),
        (torch.tensor(0.1), torch.tensor(0.1).item(), "float32"),
        (torch.tensor([[0.1]], dtype=torch.bfloat16), 0.10009765625, "bfloat16"),
        (np.float32(0.1), float(np.float32(0.1)), "float32"),
        (np.array(0.1), 0.1, "float64"),
        (Scalar(), 0.5, "float64"),
        (torch.tensor(3), 3.0, "float64"),
        (math.nan, math.nan, "float64"),
        (torch.tensor(math.inf), math.inf, "float32"),
        (np.float64("-inf"), -math.inf, "float64"),
    ],
)
def test_numbers_of_every_kind_are_recorded(
    tmp_path: Path, value: Any, expected: float, dtype: str
) -> None:
    recorder = Recorder(tmp_path, every=1)
    recorder.record(1, value, {"a": value, "b": 1.5}, {"x": torch.zeros(2)})
    assert recorder.lost == ()
    text = (tmp_path / "record" / "terms.jsonl").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    found = columns_of(tmp_path / "record" / "terms.jsonl")
    np.testing.assert_equal((found["total"], found["a"]), ([expected], [expected]))
    metadata, _ = batch_of(tmp_path / "batches" / "step-000001.safetensors")
    np.testing.assert_equal(float(metadata["total"]), expected)
    assert metadata["dtype"] == dtype


HOSTILE = [
    "../../etc/x",
    "a\nb",
    "\x1b[31m",
    'quo"te',
    "\x00",
    "naïve",
    "sur\ud800rogate",
    "",
    "." * 999,
]


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", every=1)
    terms = {name: torch.tensor(float(i), requires_grad=True) for i, name in enumerate(HOSTILE)}
    tensors = {name: torch.full((2,), float(i)) for i, name in enumerate(HOSTILE)}
    total = torch.stack(list(terms.values())).sum()
    recorder.record(1, total, terms, tensors)
    assert recorder.lost == ()
    assert files_of(tmp_path) == [
        "run/batches/step-000001.safetensors",
        "run/record/environment.jsonl",
        "run/record/terms.jsonl",
        "run/record/weights.jsonl",
    ]
    metadata, stored = batch_of(tmp_path / "run" / "batches" / "step-000001.safetensors")
    found = columns_of(tmp_path / "run" / "record" / "terms.jsonl")
    for i, name in enumerate(HOSTILE):
        written = name.replace("\ud800", "?")
        assert metadata[written] == repr(float(i))
        assert stored[written].tolist() == [i, i]
        assert found[written] == [i]
    assert (tmp_path / "run" / "record" / "terms.jsonl").read_bytes().isascii()


@pytest.mark.parametrize(
    ("arguments", "lost"),
    [
        ((-1, 1.0, {}), "record of step -1 (the step is -1)"),
        (("1", 1.0, {}), "record of step '1' (the step is '1')"),
        ((1, torch.zeros(3), {}), "record of step 1 ('total' has 3 elements)"),
        ((1, 1.0, {"a": torch.zeros(2, 2)}), "record of step 1 ('a' has 4 elements)"),
        ((1, 1.0, {"a": "high"}), "record of step 1 ('a' is a str)"),
        ((1, 1.0, {"a": 1j}), "record of step 1 ('a' is a complex)"),
        ((1, None, {}), "record of step 1 ('total' is a NoneType)"),
        ((1, 1.0, {3: 1.0}), "record of step 1 (the name of a term is 3)"),
        ((1, 1.0, {"dtype": 1.0}), "record of step 1 (a term cannot be called 'dtype'"),
        ((1, 1.0, {"a\ud800": 1.0, "a?": 1.0}), "record of step 1 (a term cannot be called 'a?'"),
        ((1, 1.0, [1.0]), "record of step 1 (the terms are a list)"),
        ((1, 1.0, {"x" * 2_000_000: 1.0}), "record of step 1 ([Errno 90] a record of 2,000,0"),
        ((1, 1.0, {}, {"x": None}), "batch of step 1 ('x' is a NoneType)"),
        ((1, 1.0, {}, {"__metadata__": torch.ones(1)}), "batch of step 1 (a tensor cannot be "),
        ((1, 1.0, {}, {"x": torch.eye(2).to_sparse()}), "batch of step 1 ('x' is torch.sparse_coo"),
        ((1, 1.0, {}, {"x": torch.ones(1, device="meta")}), "batch of step 1 ('x' is torch.stri"),
        ((1, 1.0, {}, {"x": torch.ones(1, dtype=torch.complex128)}), "batch of step 1 (safetenso"),
        ((1, 1.0, {}, [torch.ones(1)]), "batch of step 1 (tensors are a list)"),
    ],
)
def test_what_cannot_be_recorded_is_said_and_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, arguments: Any, lost: str
) -> None:
    recorder = Recorder(tmp_path, every=1)
    recorder.record(*arguments)
    (said,) = recorder.lost
    assert said.startswith(lost)
    recorder.record(2, 1.0, {"a": 1.0}, {"x": torch.ones(1)})
    assert columns_of(tmp_path / "record" / "terms.jsonl")["step"][-1] == 2
    assert batch_of(tmp_path / "batches" / "step-000002.safetensors")[0]["a"] == "1.0"
    recorder.close()
    assert len(caplog.messages) == 2
    assert said in caplog.messages[1]


def test_begin_and_record_that_disagree_on_the_step_are_told(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, every=1000)
    recorder.begin(1000, {"image": torch.ones(1)})
    recorder.record(1001, 1.0, {"a": 1.0}, {"x": torch.ones(1)})
    recorder.keep({"image": torch.ones(1)})
    assert recorder.lost == (
        "kept tensors of 2 steps from 1001 to None "
        "(begin was called for step 1000, record for 1001)",
    )


def test_what_is_kept_does_not_change_with_the_loops_tensors(tmp_path: Path) -> None:
    recorder, image = Recorder(tmp_path, every=1), torch.ones(4)
    recorder.begin(1, {"image": image})
    image.mul_(0)
    recorder.record(1, 1.0, {}, {"view": image[1:], "turned": torch.rand(3, 2).T, "again": image})
    _, tensors = batch_of(tmp_path / "batches" / "step-000001.safetensors")
    assert tensors["image"].tolist() == [1, 1, 1, 1]
    assert (tensors["view"].shape, tensors["turned"].shape) == ((3,), (2, 3))
    assert recorder.lost == ()


def test_a_total_without_a_graph_has_no_weights_and_says_none(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, every=1)
    recorder.record(1, torch.tensor(3.0), {"a": torch.tensor(3.0)})
    assert json.loads((tmp_path / "record" / "weights.jsonl").read_text()) == {"step": 1, "a": None}
    recorder.record(2, 3.0, {"a": 3.0})
    assert (tmp_path / "record" / "weights.jsonl").read_text().count("\n") == 1


def test_record_after_backward_keeps_the_record_and_tells_of_the_weights(tmp_path: Path) -> None:
    recorder, leaf = Recorder(tmp_path, every=1), torch.tensor(2.0, requires_grad=True)
    a = leaf * 3
    total = a * a
    total.backward()
    recorder.record(1, total, {"a": a})
    assert columns_of(tmp_path / "record" / "terms.jsonl")["total"] == [36.0]
    (lost,) = recorder.lost
    assert lost.startswith("effective weights of step 1 (the total cannot be differentiated")


def test_steps_that_are_not_due_touch_neither_disk_nor_device(tmp_path: Path) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    recorder = Recorder(tmp_path, every=100)
    for step in (0, 2, 100, 102):
        recorder.begin(step, {"x": Untouchable()})
        recorder.keep({"x": Untouchable()})
        recorder.record(step, Untouchable(), {"a": Untouchable()}, {"x": Untouchable()})
    assert list(tmp_path.iterdir()) == []


def test_arguments_that_make_no_sense_are_errors_at_once(tmp_path: Path) -> None:
    for wrong in ({"every": 0}, {"every": 1.5}, {"keep": 0}, {"max_bytes": -1}):
        with pytest.raises(UsageError, match="a whole number of at least 1"):
            Recorder(tmp_path, **wrong)  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is no folder"):
        Recorder(tmp_path / "file")


def test_a_recorder_that_lost_nothing_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Recorder(tmp_path, every=1) as recorder:
        train(recorder, range(1, 4))
    assert caplog.messages == []
