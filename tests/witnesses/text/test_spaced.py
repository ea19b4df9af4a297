"""Names and numbers that only blanks separate: what real writers print, and what prose is not."""

from __future__ import annotations

import time

import pytest

from lossaudit.witnesses.text.pairs import find_pairs


def tags(line: str) -> dict[str, str]:
    raw = line.encode()
    return {p.tag.decode(): raw[p.start : p.end].decode() for p in find_pairs(raw)}


# What writers print -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (  # nanoGPT
            "iter 0: loss 4.2781, time 1234.56ms, mfu -100.00%",
            {"iter": "0", "loss": "4.2781", "time": "1234.56", "mfu": "-100.00"},
        ),
        (
            "step 250: train loss 4.2874, val loss 4.2823",
            {"step": "250", "train loss": "4.2874", "val loss": "4.2823"},
        ),
        (  # llama2.c
            "120 | loss 10.3812 | lr 1.2e-05 | 123.45ms | mfu -100.00%",
            {"loss": "10.3812", "lr": "1.2e-05", "mfu": "-100.00"},
        ),
        (  # llm.c
            "step    1/18865 | loss 11.009463 (+nanz)| norm 15.1234 (-0.12z)| lr 8.57e-07 | "
            "2345.12 ms | 38.2% bf16 MFU | 223112 tok/s",
            {"step": "1", "loss": "11.009463", "norm": "15.1234", "lr": "8.57e-07"},
        ),
        (  # build-nanogpt: some with a colon, some without
            "step     7 | loss: 10.95 | lr 8.57e-07 | norm: 15.1 | dt: 12.34ms | tok/sec: 12.50",
            {
                "step": "7",
                "loss": "10.95",
                "lr": "8.57e-07",
                "norm": "15.1",
                "dt": "12.34",
                "tok/sec": "12.50",
            },
        ),
        (  # fairseq
            "2021-04-27 14:56:17 | INFO | train | epoch 050 | loss 3.943 | nll_loss 2.514 | ppl 5.7"
            " | wps 38426.9 | num_updates 18950 | lr 0.000229718 | gnorm 0.628 | wall 5176",
            {
                "epoch": "050",
                "loss": "3.943",
                "nll_loss": "2.514",
                "ppl": "5.7",
                "wps": "38426.9",
                "num_updates": "18950",
                "lr": "0.000229718",
                "gnorm": "0.628",
                "wall": "5176",
            },
        ),
        (  # PyTorch's word_language_model
            "| epoch   1 |   200/ 2983 batches | lr 20.00 | ms/batch 12.34 | loss  7.61 | "
            "ppl  2012.34",
            {"epoch": "1", "lr": "20.00", "ms/batch": "12.34", "loss": "7.61", "ppl": "2012.34"},
        ),
        (
            "| epoch   1 step      200 |    200 batches | lr 0.00025 | loss  7.62 | bpc   0.1",
            {"epoch": "1", "step": "200", "lr": "0.00025", "loss": "7.62", "bpc": "0.1"},
        ),
        (
            "| end of epoch   3 | time: 12.34s | valid loss  5.61 | valid ppl   273.12",
            {"epoch": "3", "time": "12.34", "valid loss": "5.61", "valid ppl": "273.12"},
        ),
        (  # PyTorch's ImageNet example
            "Epoch: [0][ 10/100]\tTime  0.123 ( 0.234)\tLoss 6.9e+00 (7.0e+00)\tAcc@1   0.00 (  1)",
            {
                "Time": "0.123",
                "Time (mean)": "0.234",
                "Loss": "6.9e+00",
                "Loss (mean)": "7.0e+00",
                "Acc@1": "0.00",
                "Acc@1 (mean)": "1",
            },
        ),
        (  # Swin Transformer
            "Train: [3/300][10/1251]\teta 0:23:45 lr 0.000001\t wd 0.0500\t"
            "loss 6.9123 (6.9234)\tmem 12345MB",
            {
                "lr": "0.000001",
                "wd": "0.0500",
                "loss": "6.9123",
                "loss (mean)": "6.9234",
                "mem": "12345",
            },
        ),
        (  # StyleGAN
            "tick 1     kimg 4.0      time 29m 25s      sec/tick 579.4   augment 0.000 loss 0.5",
            {"tick": "1", "kimg": "4.0", "sec/tick": "579.4", "augment": "0.000", "loss": "0.5"},
        ),
        (
            "step 12 loss 0.1 kl 0.02 recon 0.08",
            {"step": "12", "loss": "0.1", "kl": "0.02", "recon": "0.08"},
        ),
        (
            "Epoch 3, train loss 0.53, val loss 0.61",
            {"Epoch": "3", "train loss": "0.53", "val loss": "0.61"},
        ),
        (
            "iter 5 epoch 1 d_loss 0.1 g_loss -1.5e-3 l1 0.25 l2 1",
            {
                "iter": "5",
                "epoch": "1",
                "d_loss": "0.1",
                "g_loss": "-1.5e-3",
                "l1": "0.25",
                "l2": "1",
            },
        ),
        (  # the terms in parentheses
            "step    10/500 | loss 1.2000 (lm 1.1000 bal 0.1000) | lr 1.00e-03 | eta 0:01:02",
            {"step": "10", "loss": "1.2000", "lm": "1.1000", "bal": "0.1000", "lr": "1.00e-03"},
        ),
        (
            "Epoch 1 train loss 0.8496 (action 0.8192, param 0.0324)",
            {"Epoch": "1", "train loss": "0.8496", "action": "0.8192", "param": "0.0324"},
        ),
        (
            "  step 300/1000  loss 1.2345  (3.1 steps/s)",
            {"step": "300", "loss": "1.2345"},
        ),
        ("  step   300  loss 0.1234  12ms/step", {"step": "300", "loss": "0.1234"}),
        ("step 12 / 100 loss 0.5", {"step": "12", "loss": "0.5"}),
        (
            "[Epoch 3 | Batch 7] Loss 0.5 | Recon 0.25 | VQ 0.25",
            {"Epoch": "3", "Batch": "7", "Loss": "0.5", "Recon": "0.25", "VQ": "0.25"},
        ),
        (
            "2026-01-02 03:04:05,678 - INFO - epoch 3 - loss 0.5 - acc 95.3%",
            {"epoch": "3", "loss": "0.5", "acc": "95.3"},
        ),
        ("====> Epoch 3 — loss 0.5 · kl 0.25.", {"Epoch": "3", "loss": "0.5", "kl": "0.25"}),
        ("INFO:root:loss 0.5 acc 0.9", {"loss": "0.5", "acc": "0.9"}),
        ("loss 0.5 kl nan recon -inf", {"loss": "0.5", "kl": "nan", "recon": "-inf"}),
        (
            "loss 0.5000 kl 0.1000:  10%|█ | 4/40 [00:03<00:27, 1.9it/s]",
            {"loss": "0.5000", "kl": "0.1000", "it": "4"},
        ),
        (
            "10%|█ | 4/40 [00:03<00:27,  1.9it/s, loss 0.5 kl 0.1]",
            {"it": "4", "loss": "0.5", "kl": "0.1"},
        ),
        ("step 3 time 0.5 s loss 0.1", {"step": "3", "time": "0.5", "loss": "0.1"}),
        ("step 3 loss 0.1 tok/s 12.5", {"step": "3", "loss": "0.1", "tok/s": "12.5"}),
        ("step 3 loss: 0.1 kl 0.5", {"step": "3", "loss": "0.1", "kl": "0.5"}),
    ],
)
def test_line_has_exactly_these_pairs(line: str, expected: dict[str, str]) -> None:
    assert tags(line) == expected


# Prose --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "Loaded 300 samples in 12 seconds",
        "Loaded 300 samples in 12.5 seconds",
        "loss 4 times bigger",
        "loss 4.5 times bigger, kl 2.5 times",
        "version 2",
        "version 2.1",
        "Using 8 GPUs",
        "torch 2.10, CUDA 12.8",
        "Python 3.10",
        "seed 42, rank 0",
        "lr 0.001 gamma 32.5",
        "Nov 27 17:15:28 host train",
        "May 5, loss unknown",
        "val loss improved from 0.61 to 0.53",
        "loss went down from 0.61 to 0.53, accuracy from 0.5 to 0.6",
        "best loss 0.5",
        "x 0.5 y 0.3",
        "val loss 11.006021",
        "=> loading checkpoint 12",
        "number of parameters: 1,600.5 total loss 0.5 kl",
        " * Acc@1 81.300 Acc@5 95.500",
        "Saved loss 0.5 kl 0.3 to /runs/3",
        "loss 3 of 4, kl 2.5 of 5",
        "Train loss 12 0.5000 Grad Norm 1.23 0.45s/it",
        "loss 0.5 0.6, kl 0.1 0.2",
        "loss 1,600.5 kl 0.5",
        "loss 0,5 kl 0,3 recon 0,2",
        "loss 12 000.5 kl 0.5",
        "loss 1.5k kl 2.5k",
        "loss 4.5x kl 2.5x",
        "loss 0.5±0.1, kl 0.3±0.1",
        "loss 0.5 ± 0.1, kl 0.3 ± 0.1",
        "loss 0.5 -> 0.4, kl 0.3 -> 0.2",
        "loss 0.5 → 0.4, kl 0.3 → 0.2",
        "loss 0.5 vs 0.4 kl 0.3 vs 0.2",
        "loss 1.2.3 kl 2.3.4",
        "loss 12:30 kl 12:31.5",
        "| loss 0.5 | 0.6 kl |",
        "| loss | 0.5 |",
        "loss - 0.5, kl - 0.3",
        "0.5 loss 0.3 kl 0.2",
        "1: 1234.5, 1234.5 avg loss, 0.001 rate, 3.2 seconds, 64 images",
        "loss 0.5, 0.6, kl 0.3, 0.4",
        "the mean of the loss 0.5 kl 0.3",
        "layer loss 0.5 layer loss 0.7 kl 0.2",
        "loss 0.5 acc 0.9 | loss 0.6 acc 0.8",
        "2024-01-01 loss 2024-01-02 kl",
        "Train loss 3  0.53 kl  0.2",
    ],
)
def test_line_has_no_pair(line: str) -> None:
    assert tags(line) == {}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Epoch 3 took 12.5 s", {"Epoch": "3"}),
        ("Epoch 3 finished in 12.5 s", {"Epoch": "3"}),
        ("Epoch 3, rank 0", {"Epoch": "3"}),
        ("Step 100: saved checkpoint 7", {"Step": "100"}),
        ("Epoch 00012: val_loss improved from inf to 0.53", {"Epoch": "00012"}),
        ("Epoch 12: val_loss did not improve from 0.53", {"Epoch": "12"}),
        ("Epoch 12: lr reduced to 1.0e-04.", {"Epoch": "12"}),
        ("step 5 train 2.345 12.5 45.3", {"step": "5"}),
        ("step 5: found nan", {"step": "5"}),
        ("step 5: loss is nan", {"step": "5"}),
        ("Time 12:30, step 5", {"step": "5"}),
        ("Step 5 of 10.5", {"Step": "5"}),
        ("step 3, one two three four five 0.5", {"step": "3"}),
    ],
)
def test_a_counter_alone_makes_no_pairs_of_prose(line: str, expected: dict[str, str]) -> None:
    assert tags(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "2021-04-27 14:56:17 | INFO | valid | epoch 050 | valid on 'valid' subset | loss 4.1",
        "Test: [ 10/100]\tTime  0.123 ( 0.234)\tLoss 6.9e+00 (7.0e+00)",
        "epoch 3 val: loss 0.6 acc 0.8",
        "Epoch 3 [validation] loss 0.6 acc 0.8",
        "[eval] step 1000 | train 6.1200 | dev 6.2500",
        "Evaluation, epoch 3, loss 0.6",
        *(
            f"{label} step 9 loss 0.6 acc 0.5"
            for label in (
                *("dev-clean:", "[test-clean]", "test_ood:", "Val.", "val1", "valset", "val_set:"),
                *("eval/", "held-out", "holdout:", "vali", "val@3", "*val*", "#val", "-- val --"),
            )
        ),
        "validation_step 9 loss 0.6 acc 0.5",
    ],
)
def test_names_of_a_validation_are_not_mixed_with_those_of_the_training(line: str) -> None:
    assert not set(tags(line)) & {"loss", "Loss", "acc", "train", "dev"}


def test_a_name_in_two_numbers_is_ambiguous_and_unread() -> None:
    assert tags("step 3 | loss 0.5 kl 0.1 | loss 0.6 kl 0.2") == {"step": "3"}
    assert tags("step 3 loss: 0.5 | loss 0.6 kl 0.2") == {"step": "3", "loss": "0.5"}


@pytest.mark.parametrize(
    "piece",
    [b"a ", b"a 1 ", b"a 1.5 ", b"a 1.5, ", b"a  ", b"1 ", b"a|", b"(a 1) ", b", ", b"val ", b"- "],
)
def test_hostile_repeats_are_read_in_linear_time(piece: bytes) -> None:
    line = b"step 1 " + piece * (400_000 // len(piece)) + b" loss 0.5"
    begin = time.process_time()
    find_pairs(line)
    assert time.process_time() - begin < 5
