"""Regions: what a spec may declare, and which elements they hold."""

from __future__ import annotations

import pytest
import torch

from lossaudit.errors import InputError, UsageError
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.recompute_term import recompute_term
from lossaudit.witnesses.replay.regions import Region, parse_region, plausible_regions

ROWS = torch.arange(5.0).reshape(1, 1, 5, 1).expand(2, 3, 5, 4).contiguous()
MASK = (ROWS[:, 0] >= 3).to(torch.uint8)


def mean(region: str, denominator: str = "", **tensors: torch.Tensor) -> float:
    definition = Definition(
        kind="l1", prediction="p", target="t", region=region, denominator=denominator
    )
    found = recompute_term(
        definition, {"p": ROWS, "t": torch.zeros(2, 3, 5, 4)} | tensors, "float32"
    )
    assert found.value == pytest.approx(found.float64, rel=1e-6)
    return found.float64


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("", 2.0),
        ("whole", 2.0),
        ("lower_half", 3.0),
        ("lower-half", 3.0),
        ("upper_half", 0.5),
        ("box:1,0,3,4", 1.5),
        ("box:4,2,5,3", 4.0),
        ("mask:m", 3.5),
    ],
)
def test_a_region_holds_the_rows_that_it_says(region: str, expected: float) -> None:
    assert mean(region, m=MASK) == expected


@pytest.mark.parametrize(
    ("region", "expected"), [("lower_half", 9 / 5), ("mask:m", 7 / 5), ("whole", 2.0)]
)
def test_a_mean_over_the_whole_divides_by_all_elements(region: str, expected: float) -> None:
    assert mean(region, "whole", m=MASK) == pytest.approx(expected, rel=1e-15)


def test_a_mask_may_weigh() -> None:
    weights = torch.ones(2, 3, 5, 4)
    weights[:, :, 4] = 0.5
    assert mean("mask:m", m=weights) == pytest.approx((0 + 1 + 2 + 3 + 2) / 4.5, rel=1e-15)


@pytest.mark.parametrize("shape", [(2, 5), (5, 4), (1, 1, 5, 4), (2, 3, 5, 1), (2, 5, 3)])
def test_a_mask_of_another_shape_is_not_stretched(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        InputError, match=r"the mask 'm' has the shape .*, the losses \(2, 3, 5, 4\)"
    ):
        mean("mask:m", m=torch.ones(shape))


def test_a_mask_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(
        InputError, match=r"the mask 'mouth' is not in the batch\n  expected: 'p', 't'"
    ):
        mean("mask:mouth")


@pytest.mark.parametrize(
    "text", ["lower half!", "box:1,2,3", "box:-1,0,2,2", "mask:", "box:1e3,0,1,1"]
)
def test_an_unknown_region_names_the_known_ones(text: str) -> None:
    with pytest.raises(UsageError, match=r"no region is called .*\n  expected: whole, lower_half"):
        parse_region(text)


@pytest.mark.parametrize("text", ["box:3,0,3,4", "box:0,0,6,4", "box:4,0,2,4", "box:0,0,1,99"])
def test_a_box_outside_the_tensor_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="holds no part of 'p', which is 5 x 4"):
        mean(text)


def test_rows_and_columns_need_two_dimensions() -> None:
    with pytest.raises(UsageError, match=r"'p' has the shape \(3,\): no rows and columns"):
        parse_region("lower_half").crop(torch.zeros(3), "p")


def test_plausible_regions_are_regions() -> None:
    found = plausible_regions((4, 3, 32, 32))
    assert found[:3] == ("whole", "lower_half", "upper_half")
    tensor = torch.zeros(1, 1, 32, 32)
    assert all(parse_region(r).crop(tensor, "p").numel() for r in found)
    assert plausible_regions((7,)) == ("whole",)


def test_a_region_in_words_is_what_a_spec_declares() -> None:
    for text in ("whole", "lower_half", "box:1,2,3,4", "mask:m"):
        assert str(parse_region(text)) == text
    assert str(Region("lower_half", denominator="whole")) == "lower_half, over the whole"
