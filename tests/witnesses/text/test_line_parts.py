"""Lines of a validation or test have tags of their own, as records of other formats have."""

from __future__ import annotations

import io
import time

import pytest

from lossaudit.model.table import Table, concatenate
from lossaudit.witnesses.logs.text_lines import TEXT
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.stream import LogStream
from lossaudit.witnesses.text.pairs import find_pairs
from lossaudit.witnesses.text.shapes import learn_shape


def tags(line: str) -> list[str]:
    return [p.tag.decode() for p in find_pairs(line.encode())]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[val] step: 9 loss: 0.5 kl: 3", ["val/step", "val/loss", "val/kl"]),
        ("val: loss=0.5, kl=3", ["val/loss", "val/kl"]),
        ("Validation step 9: loss: 0.5", ["val/step", "val/loss"]),
        ("step 9 (val): loss: 0.5", ["val/step", "val/loss"]),
        ("step: 9, split: val, loss: 0.5", ["val/step", "val/loss"]),
        ("step: 9, loss: 0.5, phase=valid", ["valid/step", "valid/loss"]),
        ("{'mode': 'val', 'loss': 0.5}", ["val/loss"]),
        ("{'val': {'loss': 0.5}}", ["val/loss"]),
        ("INFO - Epoch(val) [1][5/10]    time: 0.3", ["val/time"]),
        ("Test:  [9/60]  loss: 1.6 (1.4)", ["test/loss", "test/loss (mean)"]),
        ("INFO:val:loss: 0.5", ["val/loss"]),
        ("INFO - train - Validation: loss: 0.5", ["val/loss"]),
        ("Test set: Average loss: 0.2", ["test/Average loss"]),
        ("val1: loss: 0.5", ["val/loss"]),
        ("dev-clean: loss: 0.5", ["val/loss"]),
        ("[test-clean] loss: 0.5", ["test/loss"]),
        ("test_ood | loss: 0.5", ["test/loss"]),
        ("held-out: loss: 0.5", ["val/loss"]),
        ("validation_step: 9, loss: 0.5", ["val/validation_step", "val/loss"]),
        ("Validation: val_loss: 0.5, kl: 0.2", ["val_loss", "val/kl"]),
        (
            "Validating: 10%|█| 4/40 [00:01<00:10, 1.2it/s, loss=0.5]",
            ["val/it", "val/loss"],
        ),
    ],
)
def test_a_line_of_other_data_has_tags_of_its_own(line: str, expected: list[str]) -> None:
    assert tags(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Epoch 3 | train loss: 0.5 | val loss: 0.6", ["Epoch", "train loss", "val loss"]),
        ("Evaluation, step 3: train loss: 0.5, kl: 1", ["step", "train loss", "kl"]),
        ("Epoch 5/10 - loss: 0.5 - val_loss: 0.6", ["Epoch", "loss", "val_loss"]),
        ("step: 5, loss: 0.5, val: 0.6", ["step", "loss", "val"]),
        ("[val] train: loss: 0.5", ["loss"]),
        ("name: test, step: 5, loss: 0.5", ["step", "loss"]),
        ("eval_interval: 500, loss: 0.5", ["eval_interval", "loss"]),
        ("Namespace(batch=8, val=False, lr=0.1)", ["batch", "lr"]),
        ("{'test': False, 'lr': 0.1}", ["lr"]),
        ("my-test: loss: 0.5", ["loss"]),
        ("[/data/test/run.txt] loss: 0.5", ["loss"]),
        ("[test.py:33] loss: 0.5", ["loss"]),
        ("trainval: loss: 0.5", ["loss"]),
        ("train+val: loss: 0.5", ["loss"]),
        ("split: train, loss: 0.5", ["loss"]),
        ("val epoch: 3", ["val epoch"]),
    ],
)
def test_a_line_of_the_training_keeps_its_tags(line: str, expected: list[str]) -> None:
    assert tags(line) == expected


def test_digits_in_names_are_told_apart_behind_a_part() -> None:
    lines = [b"[val] l%d: %d, x: 1\n" % (k % 3, k) for k in range(60)]
    stream = LogStream("run.log", io.BytesIO(b"".join(lines)))
    table = concatenate([t for t in TEXT.read(stream, ReadOptions()) if isinstance(t, Table)])
    assert set(table.columns) == {"val/l0", "val/l1", "val/l2", "val/x"}
    assert table.columns["val/l1"].values.tolist() == [float(k) for k in range(1, 60, 3)]


@pytest.mark.parametrize("piece", [b"val ", b"split: ", b"val: ", b"'", b"val-", b"aaaa"])
def test_hostile_repeats_of_labels_are_read_in_linear_time(piece: bytes) -> None:
    line = b"step 1 " + piece * (200_000 // len(piece)) + b" loss: 0.5 kl 0.5"
    begin = time.process_time()
    find_pairs(line)
    assert time.process_time() - begin < 5


def test_a_part_adds_no_digits_to_those_that_a_shape_must_have() -> None:
    shape = learn_shape(b"[val] l1: 5")
    assert shape is not None
    assert [digits for _, digits in shape.checks] == [b"l1"]
