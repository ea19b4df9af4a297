"""Terms over several layers of features."""

from __future__ import annotations

import pytest
import torch

from lossaudit.errors import InputError, UsageError
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.layers import layers_of
from lossaudit.witnesses.replay.recompute_term import recompute_term

LAYERS = {
    f"{side}_{layer}": torch.full((2, 3, 4, 4), value * layer)
    for side, value in (("real", 0.0), ("fake", 1.0))
    for layer in (1, 2, 10)
}


def distance(**more: object) -> Definition:
    named = {"prediction": "fake_*", "target": "real_*"}
    return Definition("feature_distance", **named | more)  # type: ignore[arg-type]


def test_a_star_stands_for_each_layer_in_natural_order() -> None:
    found = [layer.prediction for _, layer in layers_of(distance(), LAYERS)]
    assert found == ["fake_1", "fake_2", "fake_10"]


def test_the_distance_is_the_weighted_sum_over_layers() -> None:
    weights = (1.0, 0.5, 0.25)
    found = recompute_term(distance(layer_weights=weights), LAYERS, "float32")
    assert found.value == found.float64 == 1 + 0.5 * 4 + 0.25 * 100
    plain = recompute_term(distance(norm="l1"), LAYERS, "bfloat16")
    assert plain.value == plain.float64 == 1 + 2 + 10
    assert plain.low < 13 < plain.high


def test_channel_weights_are_those_of_the_layer() -> None:
    lin = {f"lin_{layer}": torch.full((1, 3, 1, 1), float(layer)) for layer in (1, 2, 10)}
    found = recompute_term(distance(weight="lin_*"), LAYERS | lin, "float32")
    assert found.float64 == 3 * (1 * 1 + 2 * 4 + 10 * 100)
    assert found.low <= found.value <= found.high


def test_a_layer_without_its_target_is_named() -> None:
    tensors = {name: t for name, t in LAYERS.items() if name != "real_2"}
    with pytest.raises(InputError) as caught:
        recompute_term(distance(), tensors, "float32")
    assert str(caught.value) == (
        "the batch lacks 'real_2'\n  expected: one tensor of each layer for fake_* and real_*"
    )


def test_layer_weights_are_as_many_as_layers() -> None:
    with pytest.raises(UsageError, match="there are 2 layer_weights and 3 layers"):
        recompute_term(distance(layer_weights=(1.0, 2.0)), LAYERS, "float32")


@pytest.mark.parametrize(
    ("prediction", "message"),
    [("fake_*_*", "has more than one"), ("none_*", "no tensor matches the prediction 'none_")],
)
def test_a_star_that_matches_nothing_is_said(prediction: str, message: str) -> None:
    with pytest.raises((InputError, UsageError), match=message):
        recompute_term(distance(prediction=prediction), LAYERS, "float32")


def test_a_star_means_nothing_to_other_kinds() -> None:
    with pytest.raises(InputError, match=r"the prediction 'fake_\*' is not in the batch"):
        recompute_term(Definition("l1", prediction="fake_*", target="real_*"), LAYERS, "float32")
