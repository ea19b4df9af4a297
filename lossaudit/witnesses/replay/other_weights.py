"""A step that its weights do not reproduce: is it another step's checkpoint, batch or record?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from lossaudit.errors import InputError, UsageError
from lossaudit.model.replay import Replay
from lossaudit.witnesses.replay.engine import Replayer
from lossaudit.witnesses.replay.request import Pair
from lossaudit.witnesses.replay.step_names import step_of

MOST_OTHERS = 4
"""Checkpoints, and batches beside the one in question, that are tried for it."""


class Aligned(Struct, frozen=True):
    """What agrees instead.

    Attributes:
        replay: of that step, settled, agreeing with its logged total.
        summary: what it means.
        facts: JSON-ready.
    """

    replay: Replay
    summary: str
    facts: dict[str, Any] = field(default_factory=dict)


Settle = Callable[[Replay], Replay]
"""Gives a replay its total and what was logged of its step."""


def find_alignment(
    replayer: Replayer, replay: Replay, others: tuple[str, ...], settle: Settle
) -> Aligned | None:
    """What reproduces the logged total of a step where its weights do not, if anything does.

    Args:
        replayer: with the networks.
        replay: refuted, of depth "full".
        others: further checkpoints at hand.
        settle: as above.
    """
    if replay.depth != "full":
        return None
    weights, batch = replay.checkpoint, replay.batch
    number, belongs = step_of(weights), _belongs(weights, replay.step)
    facts: dict[str, Any] = {"checkpoint": weights, "checkpoint_step": number, "step": replay.step}
    step = _elsewhere(replayer, replay, settle)
    if step is not None:
        facts["reproduces_step"] = step.step
    stored = _agreeing(replayer, Pair("", batch), settle)
    name = Path(weights).name
    found = f"{name} reproduces step {step.step:,}, not step {replay.step:,}" if step else ""
    if stored is not None:
        first = found or f"{name} does not reproduce step {replay.step:,}"
        said = (
            f"{first}{belongs}; the prediction that the batch itself holds gives the logged total"
        )
        return Aligned(stored, said, {**facts, "stored_prediction": True})
    for other in nearest(others, weights, replay.step):
        right = _agreeing(replayer, Pair(other, batch), settle)
        if right is not None:
            said = f"{name} does not reproduce step {replay.step:,}, but {Path(other).name} does"
            return Aligned(right, said + belongs, {**facts, "reproduced_by": other})
    if step is not None:
        return Aligned(step, found + belongs, facts)
    return None


def nearest(others: tuple[str, ...], weights: str, step: int) -> list[str]:
    """The checkpoints that lie nearest before a step, but for the one that was tried."""
    numbered = [(o, n) for o in others if o != weights and (n := step_of(o)) is not None]
    return [o for o, _ in sorted(numbered, key=lambda pair: abs(pair[1] + 1 - step))][:MOST_OTHERS]


def _belongs(weights: str, step: int) -> str:
    """What the checkpoint's number says of it."""
    number = step_of(weights)
    if number is None:
        return ""
    if number + 1 == step:
        return (
            " although its number fits (other weights, or a forward pass that is not training's: "
            "adapter, autocast, dropout)"
        )
    return f" (it was written after update {number:,}, so it belongs to step {number + 1:,})"


def _elsewhere(replayer: Replayer, replay: Replay, settle: Settle) -> Replay | None:
    """Another step, whose batch lies beside this one, that the same weights reproduce."""
    folder = Path(replay.batch).parent
    number = step_of(replay.checkpoint)
    wanted = replay.step if number is None else number + 1
    near = sorted(_numbered(folder), key=lambda pair: abs(pair[0] - wanted))
    for _, path in [p for p in near if p[1] != replay.batch][:MOST_OTHERS]:
        found = _agreeing(replayer, Pair(replay.checkpoint, path), settle)
        if found is not None:
            return found
    return None


def _numbered(folder: Path) -> Iterator[tuple[int, str]]:
    """(step, path) of the batches of a folder, as far as their names tell."""
    for path in sorted(folder.glob("*.safetensors"))[:1000]:
        number = step_of(path.name) if path.is_file() and not path.is_symlink() else None
        if number is not None:
            yield number, str(path)


def _agreeing(replayer: Replayer, pair: Pair, settle: Settle) -> Replay | None:
    """The pair's replay, if its total is the logged one."""
    try:
        found = settle(replayer.replay(replayer.open(pair)))
    except (InputError, UsageError):  # what cannot be replayed explains nothing
        return None
    return found if found.agrees else None
