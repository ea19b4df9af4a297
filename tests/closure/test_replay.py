"""Recomputed steps against logged totals: the verdict is taken on intervals."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from lossaudit.closure.replay.examine import (
    ReplayEvidence,
    examine_replays,
    explain_replays,
)
from lossaudit.closure.replay.judge import describe_replays, judge_replays
from lossaudit.closure.replay.rows import declared_formula, total_of
from lossaudit.model.finding import Verdict
from lossaudit.model.replay import Hypothesis, Recomputed, Replay
from lossaudit.spec.load import spec_from_formula

SPEC = spec_from_formula("loss = 2.0*a + b", ["figure=a + 2.0*b"])
RNG = np.random.default_rng(3)
TERMS = [
    (float(np.float32(a)), float(np.float32(b))) for a, b in RNG.uniform(0.2, 1.0, size=(4, 2))
]


def recomputed(value: float, radius: float) -> Recomputed:
    return Recomputed(value, value, value - radius, value + radius)


def logged(a: float, b: float, weights: tuple[float, float] = (2.0, 1.0)) -> float:
    wa, wb = (np.float32(w) for w in weights)
    return float(wa * np.float32(a) + wb * np.float32(b))


def replays(
    weights: tuple[float, float] = (2.0, 1.0),
    radius: float = 1e-8,
    half: float = 0.0,
    shift: float = 0.0,
) -> list[Replay]:
    """Steps whose totals were logged with these weights; the terms are more and more off."""
    found = []
    for i, (a, b) in enumerate(TERMS):
        terms = {"a": recomputed(a + shift * (i + 1) ** 2, radius), "b": recomputed(b, radius)}
        formula = declared_formula(SPEC, ["a", "b"])
        total = total_of(formula, terms, {}, 100 + i, "float32")
        replay = Replay(100 + i, f"batches/{i}", "", "tensors", "cpu", total, terms)
        found.append(replace(replay, total_logged=logged(a, b, weights), total_half=half))
    return found


def examined(rows: list[Replay], hypotheses: list[Hypothesis] | None = None) -> ReplayEvidence:
    return explain_replays(examine_replays(SPEC, "run", rows), hypotheses or [])


def test_correct_run_passes_and_its_rival_is_refuted() -> None:
    evidence = examined(replays())
    verdict, reason = judge_replays(evidence)
    assert verdict is Verdict.PASS
    assert reason == "the formula holds on all 4 replayed steps, and 1 named rival is refuted"
    witness = describe_replays(evidence, verdict, reason)
    assert (witness.kind, witness.decided, witness.violations) == ("replay", 4, 0)
    assert witness.rivals[0].refuted_rows == 4
    lip = witness.weights["a"]
    assert lip.low is not None
    assert lip.high is not None
    assert 1.99999 < lip.low <= 2.0 <= lip.high < 2.00001


def test_one_replayed_step_can_pass() -> None:
    verdict, reason = judge_replays(examined(replays()[:1]))
    assert verdict is Verdict.PASS
    assert "the one replayed step" in reason


def test_rivals_formula_fails_and_is_named() -> None:
    evidence = examined(replays((1.0, 2.0)))
    verdict, reason = judge_replays(evidence)
    assert verdict is Verdict.FAIL
    assert reason.startswith("the run follows rival `figure`: 4 of 4 replayed steps refute")
    assert evidence.explanations[0].check == "rival-formula"


def test_unknown_mismatch_fails_without_a_name() -> None:
    evidence = examined(replays((1.9, 1.3)))
    assert judge_replays(evidence)[0] is Verdict.FAIL
    assert evidence.explanations == ()


def test_wide_intervals_are_inconclusive_and_say_that_the_rival_cannot_be_told() -> None:
    verdict, reason = judge_replays(examined(replays(radius=0.5)))
    assert verdict is Verdict.INCONCLUSIVE
    assert "rival `figure` would give" in reason
    assert "which cannot be told at this precision" in reason


def test_coarse_digits_of_the_log_count_for_the_rival_too() -> None:
    verdict, reason = judge_replays(examined(replays(half=0.5)))
    assert verdict is Verdict.INCONCLUSIVE
    assert "cannot be told at this precision" in reason


def test_without_a_logged_total_it_says_whether_the_rival_would_be_told() -> None:
    rows = [replace(r, total_logged=None) for r in replays()]
    verdict, reason = judge_replays(examined(rows))
    assert verdict is Verdict.INCONCLUSIVE
    assert reason.startswith("no total was logged for the step")
    assert "rival `figure` would give" in reason
    assert "x what precision leaves open" in reason
    assert "cannot be told" not in reason


def test_no_steps_are_inconclusive() -> None:
    verdict, reason = judge_replays(examined([]))
    assert (verdict, reason) == (Verdict.INCONCLUSIVE, "no step could be replayed")


def test_a_term_that_was_not_recomputed_is_named() -> None:
    rows = [replace(r, terms={"a": r.terms["a"]}) for r in replays()]
    assert "`b` cannot be recomputed" in judge_replays(examined(rows))[1]


def test_one_refuted_step_is_enough_to_fail() -> None:
    rows = replays()
    rows[2] = replace(rows[2], total_logged=float(np.float32((rows[2].total_logged or 0) * 1.001)))
    evidence = examined(rows)
    verdict, reason = judge_replays(evidence)
    assert verdict is Verdict.FAIL
    assert "1 of 4 replayed steps refute the formula, from step 102" in reason
    assert evidence.outcome is not None
    assert str(evidence.locate(evidence.outcome.violations[0].record)) == "batches/2"


def test_rows_without_a_total_keep_the_places_of_the_others() -> None:
    rows = replays()
    rows[0] = replace(rows[0], total_logged=None)
    rows[2] = replace(rows[2], total_logged=9.0)
    evidence = examined(rows)
    assert evidence.outcome is not None
    assert str(evidence.locate(evidence.outcome.violations[0].record)) == "batches/2"
    assert judge_replays(examined([rows[0], rows[1]]))[1].endswith("1 more could not be decided")


def test_nan_term_beside_a_finite_total_refutes() -> None:
    rows = replays()
    rows[1] = replace(rows[1], terms={**rows[1].terms, "b": recomputed(float("nan"), 0.0)})
    assert judge_replays(examined(rows))[0] is Verdict.FAIL


@pytest.mark.parametrize("decisive", [True, False])
def test_hypothesis_that_every_row_agrees_with_explains(decisive: bool) -> None:
    tried = Hypothesis("wrong-region", "other pixels", tuple(replays()), {}, decisive)
    other = Hypothesis("wrong-region", "yet others", tuple(replays(shift=0.2)))
    evidence = examined(replays(shift=0.1), [other, tried])
    assert [e.summary for e in evidence.explanations] == ["other pixels"]
    verdict, reason = judge_replays(evidence)
    assert verdict is (Verdict.FAIL if decisive else Verdict.INCONCLUSIVE)
    assert reason.startswith("other pixels: 4 of 4 replayed steps refute")


def test_hypothesis_too_wide_to_say_anything_explains_nothing() -> None:
    wide = Hypothesis("wrong-region", "anything", tuple(replays(radius=5.0)))
    assert examined(replays(shift=0.1), [wide]).explanations == ()


def test_hypothesis_must_explain_as_many_rows_as_were_decided() -> None:
    part = Hypothesis("wrong-region", "some", tuple(replays()[:2]))
    assert examined(replays(shift=0.1), [part]).explanations == ()


def test_hypotheses_do_not_excuse_what_is_not_refuted() -> None:
    tried = Hypothesis("wrong-region", "other pixels", tuple(replays()))
    assert examined(replays(), [tried]).explanations == ()


def test_scaled_totals_are_named() -> None:
    evidence = examined(replays((8.0, 4.0)))
    assert evidence.explanations[0].check == "scaled-log"


def test_totals_in_bfloat16_have_its_bounds() -> None:
    rows = [replace(r, total_logged=(r.total_logged or 0) * (1 + 2e-3)) for r in replays()]
    assert judge_replays(examined(rows))[0] is Verdict.FAIL
    coarse = [replace(r, dtype="bfloat16") for r in rows]
    assert judge_replays(examined(coarse))[0] is Verdict.PASS
