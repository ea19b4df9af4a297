"""A config file is not trusted: it chooses sizes, never code, and is refused with a reason."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.network_config import build_network, read_config

SMALL: dict[str, Any] = {
    "block_out_channels": [8, 16],
    "norm_num_groups": 4,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 32,
}


def build(changes: dict[str, Any]) -> torch.nn.Module:
    with torch.device("meta"):
        return build_network(UNet2DConditionModel, SMALL | changes, "config.json")


def test_a_plain_config_is_built_and_keys_of_other_versions_are_left_out() -> None:
    network = build({"_diffusers_version": "0.6.0.dev0", "an_option_to_come": 3})
    assert network.config.block_out_channels == (8, 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_class_name": "AutoencoderKL"}, "of the class 'AutoencoderKL'"),
        ({"layers_per_block": 10**9}, "layers_per_block is 1000000000"),
        ({"transformer_layers_per_block": [[1] * 16] * 16}, "transformer_layers_per_block is"),
        ({"cross_attention_dim": 10**12}, "cross_attention_dim is 1000000000000"),
        ({"block_out_channels": [8] * 1000}, "block_out_channels is"),
        ({"norm_eps": float("nan")}, "norm_eps is nan"),
        ({"act_fn": {"_target_": "os.system"}}, "act_fn is {'_target_': 'os.system'}"),
        ({"act_fn": "\x1b[2J"}, "activation function \\x1b[2j not found"),
        ({"act_fn": "os.system"}, "activation function os.system not found"),
        ({"norm_num_groups": 0}, "no UNet2DConditionModel can be built"),
        ({"norm_num_groups": 3}, "no UNet2DConditionModel can be built"),
        ({"attention_head_dim": 0}, "no UNet2DConditionModel can be built"),
        ({"cross_attention_dim": "x"}, "no UNet2DConditionModel can be built"),
        ({"block_out_channels": [8, -16]}, "no UNet2DConditionModel can be built"),
        ({"block_out_channels": "ab"}, "no UNet2DConditionModel can be built"),
        ({"down_block_types": ["Nonsense", "DownBlock2D"]}, "Nonsense does not exist"),
        ({"mid_block_type": "x"}, "unknown mid_block_type"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        build(changes)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"[1]", "array, not an object"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe", "no UTF-8"),
        (b'{"a": 1, "a": 2}', "occurs twice"),
        (b" " * (1 << 20) + b"{}", "longer than 1 MiB"),
    ],
)
def test_files_that_are_no_config(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_config(str(path))


def test_the_config_that_was_read_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(SMALL))
    config, file = read_config(str(path))
    assert config == SMALL
    stored = file.stored()
    assert (stored.path, stored.size) == (str(path), path.stat().st_size)
    assert stored.sha256 == sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match="cannot be read"):
        read_config(str(tmp_path / "none.json"))
