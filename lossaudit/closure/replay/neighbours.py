"""A recomputed total that the log holds elsewhere: at a step beside it, or in another record."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from lossaudit.closure.replay.logged import LoggedStep, LoggedSteps
from lossaudit.closure.replay.settle import compare_with, totals_of
from lossaudit.model.replay import Replay, may_be
from lossaudit.model.steps import step_in_words

AROUND = 2
"""Steps before and after that are searched."""

SHARP = 0.01
"""Share of the mismatch below which what the numbers leave open must lie: else totals of other
steps agree by chance."""


class Neighbour(Struct, frozen=True):
    """The one record around a step that agrees with it.

    Attributes:
        replay: beside that record.
        summary: which one it is.
        step: of the record.
    """

    replay: Replay
    summary: str
    step: int


def steps_around(steps: Collection[int]) -> list[int]:
    """The steps whose totals are needed to search beside these."""
    return sorted({s + k for s in steps for k in range(-AROUND, AROUND + 1)})


def find_neighbour(replay: Replay, logs: Sequence[LoggedSteps]) -> Neighbour | None:
    """The only record of the steps around that agrees with a refuted replay, if there is one."""
    if replay.total_logged is None:
        return None
    mismatch = abs(replay.total.value - replay.total_logged)
    found = list[tuple[int, int, int, LoggedStep]]()
    for step in steps_around([replay.step]):
        totals = totals_of(replay, step, logs)
        for place, logged in enumerate(totals):
            left_open = replay.total.high - replay.total.low + 2 * logged.half
            if may_be(logged.total, logged.half, replay.total) and left_open <= SHARP * mismatch:
                found.append((step, place, len(totals), logged))
    if len(found) != 1:
        return _unstated(replay, logs)
    step, place, count, logged = found[0]
    which = f"record {place + 1} of {count} of " if count > 1 else ""
    said = f"the batch of {step_in_words(replay.step)} has the total that is logged at "
    summary = f"{said}{which}{step_in_words(step)}"
    return Neighbour(compare_with(replay, logged), summary, step)


def _unstated(replay: Replay, logs: Sequence[LoggedSteps]) -> Neighbour | None:
    """Another record of the very step that agrees, where the batch does not say which is its own.

    Micro-batches of one step and the logs of several runs have as many totals; the digits in which
    they were written do not matter, since none of them is known to be the batch's.
    """
    if replay.stated is not None or replay.rank:
        return None
    totals = [t for log in logs for t in log.steps.get(replay.step, ())]
    for logged in totals:
        if may_be(logged.total, logged.half, replay.total):
            summary = (
                f"the batch of {step_in_words(replay.step)} does not state its total, and of the "
                f"{len(totals)} that are logged at that step it gives {logged.total:.7g}"
            )
            return Neighbour(compare_with(replay, logged), summary, replay.step)
    return None
