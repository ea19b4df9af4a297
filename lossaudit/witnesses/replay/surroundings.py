"""What a replay was computed with: device, dtypes, determinism flags, threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lossaudit.model.replay import Replay
from lossaudit.recorder.environment import numerics_of
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.adapter import PassOptions
from lossaudit.witnesses.replay.forward_pass import running


def surroundings_of(replays: Sequence[Replay], ranks: int = 1) -> dict[str, str]:
    """The numerics of this process, as they are while a forward pass runs.

    Args:
        replays: their device is what is asked about; where several were used, the GPU.
        ranks: how many processes shared the work; what is told is the first one's.
    """
    device = next((r.device for r in replays if r.device != "cpu"), "cpu")
    with running(PassOptions(), device):
        found = numerics_of(device)
    return found | ({"ranks": f"{ranks}, of which this is the first"} if ranks > 1 else {})


def terms_in_words(definitions: Mapping[str, Definition], dtype: str) -> dict[str, str]:
    """In which dtypes the terms were computed: training's, and float64 beside it."""
    dtypes = dict.fromkeys([d.dtype or dtype for d in definitions.values()])
    return {"terms": ", ".join([*dtypes, *(["float64"] if "float64" not in dtypes else [])])}
