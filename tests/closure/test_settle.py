"""What was logged beside a replayed step enters its total as it was written."""

from __future__ import annotations

from lossaudit.closure.replay.logged import LoggedStep, LoggedSteps
from lossaudit.closure.replay.settle import settle
from lossaudit.model.replay import Interval, Recomputed, Replay
from lossaudit.spec.load import spec_from_formula


def test_weight_logged_in_few_digits_is_an_interval() -> None:
    spec = spec_from_formula("loss = w*a")
    term = Recomputed(2.0, 2.0, 2.0, 2.0)
    unknown = Interval(float("nan"), float("nan"), float("nan"))
    replay = Replay(1, "b", "", "tensors", "cpu", unknown, {"a": term})

    def settled(total: float) -> Replay:
        logged = LoggedStep(total, 0.0, {"w": 1.23}, {"w": 0.005}, "log")
        return settle(spec, [replay], [LoggedSteps({1: (logged,)})])[0]

    assert settled(2 * 1.2345).agrees is True
    assert settled(2 * 1.2361).agrees is False
