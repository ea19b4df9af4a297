"""A recomputed total that the log holds elsewhere is found, and none by chance."""

from __future__ import annotations

from lossaudit.closure.replay.logged import LoggedStep, LoggedSteps
from lossaudit.closure.replay.neighbours import find_neighbour, steps_around
from lossaudit.closure.replay.settle import chosen_of, totals_of
from lossaudit.model.replay import Interval, Replay


def log(*totals: tuple[int, float], half: float = 0.0) -> LoggedSteps:
    steps: dict[int, tuple[LoggedStep, ...]] = {}
    for step, total in totals:
        steps[step] = (*steps.get(step, ()), LoggedStep(total, half, source="log"))
    return LoggedSteps(steps)


def replay(
    step: int, total: float, logged: float, stated: float | None = None, half: float = 1e-7
) -> Replay:
    interval = Interval(total, total - half, total + half)
    return Replay(step, "b", "", "tensors", "cpu", interval, {}, logged, stated=stated)


def test_total_of_the_step_before_is_found() -> None:
    found = find_neighbour(replay(7, 0.9, 0.5), [log((6, 0.9), (7, 0.5), (8, 0.4))])
    assert found is not None
    assert (found.step, found.replay.total_logged, found.replay.agrees) == (6, 0.9, True)
    assert found.summary == "the batch of step 7 has the total that is logged at step 6"


def test_record_of_several_is_named() -> None:
    found = find_neighbour(replay(7, 0.9, 0.5), [log((7, 0.7), (7, 0.9), (7, 0.5))])
    assert found is not None
    assert "record 2 of 3 of step 7" in found.summary


def test_steps_far_away_are_not_searched() -> None:
    assert find_neighbour(replay(7, 0.9, 0.5), [log((7, 0.5), (10, 0.9))]) is None
    assert steps_around([7]) == [5, 6, 7, 8, 9]


def test_two_that_agree_tell_nothing() -> None:
    assert find_neighbour(replay(7, 0.9, 0.5), [log((6, 0.9), (7, 0.5), (8, 0.9))]) is None


def test_coarse_digits_agree_by_chance_and_excuse_nothing() -> None:
    assert find_neighbour(replay(7, 0.91, 0.5), [log((6, 0.9), (7, 0.5), half=0.05)]) is None
    assert find_neighbour(replay(7, 0.91, 0.5, half=0.1), [log((6, 0.9), (7, 0.5))]) is None


def test_log_with_the_batchs_own_total_goes_before_one_in_more_digits() -> None:
    own, other = log((7, 0.52), half=0.005), log((7, 0.9))
    row = replay(7, 0.5182, 0.5182, stated=0.5182)
    assert totals_of(row, 7, [other, own])[0].total == 0.52
    assert totals_of(replay(7, 0.5, 0.5), 7, [own, other])[0].total == 0.9


def test_record_that_the_batch_states_goes_before_the_last() -> None:
    totals = log((7, 0.7), (7, 0.9)).steps[7]
    assert chosen_of(totals, 0.7, 0.0).total == 0.7
    assert chosen_of(totals, None, 0.0).total == 0.9
    assert chosen_of(totals, 0.3, 0.0).total == 0.9
