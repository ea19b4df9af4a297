"""One pair after the other: a replay, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lossaudit.errors import InputError, UsageError
from lossaudit.model.replay import Replay
from lossaudit.witnesses.replay.engine import Replayer
from lossaudit.witnesses.replay.request import Pair


class Refused(Struct, frozen=True):
    """A pair, or its weights, that could not be replayed.

    Attributes:
        what: "batch" or "checkpoint".
        message, where: as the error says.
        is_damage: False where only something that is not installed or not declared is missing.
    """

    what: str
    message: str
    where: str
    is_damage: bool = True


class Outcome(Struct, frozen=True):
    """What replaying one pair gave: a replay, or why there is none; sometimes both.

    `environment` is the text in which the batch tells of the training's own.
    """

    replay: Replay | None
    refused: tuple[Refused, ...] = ()
    environment: str = ""


def replay_pair(replayer: Replayer, pair: Pair) -> Outcome:
    """Replay one pair; what its files are refused for is part of the result.

    Raises:
        UsageError: unless the request is lenient and the batch can be replayed without networks.
    """
    refused = list[Refused]()
    for tried in _attempts(replayer, pair):
        try:
            step = replayer.open(tried)
            return Outcome(replayer.replay(step), tuple(refused), step.batch.environment)
        except InputError as error:
            where = error.where or tried.batch
            is_batch = where == tried.batch
            refused.append(Refused("batch" if is_batch else "checkpoint", _said(error), where))
            if is_batch and not tried.checkpoint:
                break
        except UsageError as error:
            if not replayer.request.is_lenient:
                raise
            where = tried.checkpoint or tried.batch
            refused.append(Refused("checkpoint", _said(error), where, is_damage=False))
    return Outcome(None, tuple(refused))


def _attempts(replayer: Replayer, pair: Pair) -> Iterator[Pair]:
    """The pair itself; in a lenient request also without its weights."""
    yield pair
    if replayer.request.is_lenient and pair.checkpoint:
        yield replace(pair, checkpoint="")


def _said(error: InputError | UsageError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def told(pair: Pair, number: int, count: int) -> str:
    """A pair for a progress line."""
    weights = f" with {Path(pair.checkpoint).name}" if pair.checkpoint else ""
    return f"replaying {number} of {count}: {Path(pair.batch).name}{weights}"
