"""Whether the random state that a batch holds makes training's draws again, here on some device."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from lossaudit.witnesses.recorded_environment import environment_of

if TYPE_CHECKING:
    from lossaudit.witnesses.replay.batch import SampleBatch

_RELEASE = re.compile(r"[0-9]+\.[0-9]+")
_GPU = re.compile(r"cuda(?::([0-9]{1,3}))?")


def rng_on(batch: SampleBatch, device: str) -> str:
    """The batch's random state, of the generator alone that training drew from: its total's device.

    From the same state another release of torch may draw other numbers (2.11 and 2.13 do so in
    float16 on a CPU), and so may another model of GPU, since what it draws depends on how many
    threads it starts for it.

    Args:
        batch: with the training's environment, which tells its torch and its device.
        device: of the replay.

    Returns:
        Empty where other numbers would be drawn here, or where nothing tells whether they would.
    """
    import torch

    told = environment_of(batch.environment)
    if not batch.rng or _release(told.get("torch", "")) != _release(torch.__version__):
        return ""
    on_cpu, trained_on = device == "cpu", told.get("device", "")
    found = _GPU.fullmatch(trained_on)
    if on_cpu != (trained_on == "cpu") or on_cpu == (found is not None):
        return ""
    if found and told.get("device_name") != torch.cuda.get_device_name(device):
        return ""
    try:
        state = json.loads(batch.rng)
        used = [state["cuda"][int(found[1] or 0)]] if found else []
        return json.dumps({**state, "cuda": used})
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""


def _release(version: str) -> str:
    """Such as 2.13, of 2.13.0+cpu."""
    found = _RELEASE.match(version)
    return found[0] if found else ""
