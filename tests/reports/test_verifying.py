from __future__ import annotations

from msgspec.structs import replace
from replay_samples import AUDITED, REPLAYED, STEPS
from samples import PASS

from lossaudit.model.difference import Difference, Kind
from lossaudit.model.replay import Interval, Replay
from lossaudit.model.result import Result
from lossaudit.verifying import compare


def on_another_device(step: Replay, shift: float) -> Replay:
    """The same step, its numbers shifted by parts of their half-widths."""
    terms = {
        name: replace(
            t,
            value=t.value + shift * (t.high - t.low) / 2,
            low=t.low + shift * (t.high - t.low) / 2,
            high=t.high + shift * (t.high - t.low) / 2,
        )
        for name, t in step.terms.items()
    }
    radius = (step.total.high - step.total.low) / 2
    moved = Interval(
        *(v + shift * radius for v in (step.total.value, step.total.low, step.total.high))
    )
    return replace(step, device="cuda:7", terms=terms, total=moved)


def repeated(shift: float) -> Result:
    steps = tuple(on_another_device(step, shift) for step in STEPS)
    means = {name: mean + 1e-9 for name, mean in REPLAYED.means.items()}
    witness = replace(REPLAYED, replays=steps, means=means)
    return replace(AUDITED, witnesses=(AUDITED.witnesses[0], witness))


def kinds(found: list[Difference]) -> set[Kind]:
    return {d.kind for d in found}


def test_the_same_result_differs_in_nothing() -> None:
    assert compare(AUDITED, AUDITED) == []
    assert compare(PASS, PASS) == []


def test_another_device_is_said_and_numbers_within_their_bounds_contradict_nothing() -> None:
    found = compare(AUDITED, repeated(0.5))
    assert kinds(found) == {Kind.WITHIN, Kind.ENVIRONMENT}
    devices = [d for d in found if d.where.endswith("device")]
    assert [d.now for d in devices] == ["cuda:7"] * len(STEPS)
    assert any(d.where.endswith("step 10,001 loss_lip") for d in found)


def test_numbers_beyond_their_bounds_contradict_and_so_does_what_follows_from_them() -> None:
    found = compare(AUDITED, repeated(1.5))
    wrong = [d.where for d in found if d.contradicts]
    assert any(where.endswith("step 10,001 loss_lip") for where in wrong)
    assert any("means" in where for where in wrong)


def test_a_log_has_no_bounds_within_which_its_numbers_may_differ() -> None:
    (witness,) = PASS.witnesses
    weights = {n: replace(w, high=(w.high or 0.0) + 1e-12) for n, w in witness.weights.items()}
    found = compare(PASS, replace(PASS, witnesses=(replace(witness, weights=weights),)))
    assert found
    assert all(d.contradicts for d in found)


def test_a_digest_changed_by_hand_is_said() -> None:
    forged = replace(PASS, witnesses=(replace(PASS.witnesses[0], sha256="0" * 64),))
    (found,) = compare(forged, PASS)
    assert found.contradicts
    assert found.where.endswith("sha256")


def test_what_it_was_computed_with_is_compared_and_contradicts_nothing() -> None:
    before, step = AUDITED.witnesses
    steps = (replace(step.replays[0], policy={"terms": "bfloat16, float64"}), *step.replays[1:])
    other = replace(step, environment=dict(step.environment) | {"threads": "2"}, replays=steps)
    found = compare(AUDITED, replace(AUDITED, witnesses=(before, other)))
    assert kinds(found) == {Kind.ENVIRONMENT}
    assert [(d.where.rpartition(": ")[2], d.was, d.now) for d in found] == [
        ("environment.threads", "16", "2"),
        ("step 1 policy.terms", "float32, float64", "bfloat16, float64"),
    ]


def test_a_result_that_tells_nothing_of_its_surroundings_is_still_verified() -> None:
    before, step = AUDITED.witnesses
    silent = tuple(replace(r, policy={}) for r in step.replays)
    old = replace(
        AUDITED, witnesses=(before, replace(step, environment={}, replays=silent)), training={}
    )
    assert compare(old, AUDITED) == []
