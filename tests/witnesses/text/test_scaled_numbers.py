"""Numbers that what follows scales are none, and `N / M` counts with blanks around its slash."""

from __future__ import annotations

import pytest

from lossaudit.witnesses.text.pairs import find_pairs


def tags(line: str) -> dict[str, str]:
    raw = line.encode()
    return {p.tag.decode(): raw[p.start : p.end].decode() for p in find_pairs(raw)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (  # fairseq's `simple` format
            "epoch 001:     10 / 4096 loss=8.910, nll_loss=8.1, ppl=275.1",
            {"epoch": "001", "loss": "8.910", "nll_loss": "8.1", "ppl": "275.1"},
        ),
        ("Epoch 1 / 10 loss: 0.5, kl: 0.2", {"Epoch": "1", "loss": "0.5", "kl": "0.2"}),
        ("Step 100 / 1000 loss=0.5", {"Step": "100", "loss": "0.5"}),
        ("step: 100 / 1000 loss: 0.5", {"step": "100", "loss": "0.5"}),
        ("loss: 0.5 / kl: 0.25", {"loss": "0.5", "kl": "0.25"}),
    ],
)
def test_the_name_after_a_slash_with_blanks_is_read(line: str, expected: dict[str, str]) -> None:
    assert tags(line) == expected


SCALED = [
    *("248.9m", "1.5u", "1.5µ", "15n", "15p", "15e", "1.5k", "2M", "3G"),
    *("248.9440 x 10^-3", "2.5 × 10^-3", "2.5 · 10^-3", "2.5*10^-3", "2.5 e-3", "1.5 * 2"),
    *("0.5 ± 0.1", "0.5±0.1", "0.5 +/- 0.1", "1/3", "1 / 3", "0.5 0.7", "-0.5 -0.7"),
]


@pytest.mark.parametrize("number", SCALED)
@pytest.mark.parametrize("separator", [": ", "="])
@pytest.mark.parametrize("end", ["", ", lr{}1", " lr{}1"])
def test_a_scaled_number_is_none(number: str, separator: str, end: str) -> None:
    end = end.format(separator)
    expected = {"step": "9", "loss": "0.5", **({"lr": "1"} if end else {})}
    assert tags(f"step: 9, loss: 0.5, kl{separator}{number}{end}") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "step: 1/300, dt: 12ms, t: 1.2s, mem: 900MB, v: 5.3it/s",
            {"step": "1", "dt": "12", "t": "1.2", "mem": "900", "v": "5.3"},
        ),
        ("loss: 0.5 (0.6), acc: 30%", {"loss": "0.5", "loss (mean)": "0.6", "acc": "30"}),
        ("loss: 0.5 - acc: 0.9", {"loss": "0.5", "acc": "0.9"}),
        ("loss: 0.5 | kl: 0.2", {"loss": "0.5", "kl": "0.2"}),
        ("loss: 0.5 x: 3 * y: 2", {"loss": "0.5", "x": "3", "y": "2"}),
        ("loss: 0.5 10.3 it/s", {"loss": "0.5"}),
        ("iter: 7/90 loss: 0.5 2021-09-03", {"iter": "7", "loss": "0.5"}),
    ],
)
def test_units_and_separators_scale_nothing(line: str, expected: dict[str, str]) -> None:
    assert tags(line) == expected
