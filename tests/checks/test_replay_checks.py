"""Each check that looks at replays speaks where it must, and is silent on the repaired twin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from msgspec import Struct
from msgspec.structs import replace

from lossaudit import registry
from lossaudit.closure.check import Check, nothing
from lossaudit.closure.replay.examine import (
    ReplayEvidence,
    examine_replays,
    explain_replays,
)
from lossaudit.closure.replay.judge import judge_replays
from lossaudit.closure.replay.rows import declared_formula, total_of
from lossaudit.model.finding import Finding
from lossaudit.model.replay import Hypothesis, Recomputed, Replay
from lossaudit.spec.load import spec_from_formula

CHECKS = {
    n: c for n, c in registry.load("lossaudit.checks", Check).items() if c.replay is not nothing
}
SPEC = spec_from_formula("loss = 2.0*a + b", ["fig=a + 2.0*b"])
PLAIN = spec_from_formula("loss = 2.0*a + b")
FORMULA = declared_formula(SPEC, ["a", "b"])
TERMS = np.random.default_rng(4).uniform(0.2, 1.0, (5, 2)).astype(np.float32)

Total = Callable[[np.float32, np.float32], float]


def term(value: float, radius: float = 1e-8) -> Recomputed:
    return Recomputed(value, value, value - radius, value + radius)


def steps(total: Total, shift: float = 0.0, radius: float = 1e-8) -> tuple[Replay, ...]:
    """Five steps, logged as `total` says; from each to the next the first term is further off."""
    found = []
    for i, (a, b) in enumerate(TERMS):
        terms = {"a": term(float(a) + shift * (i + 1) ** 2, radius), "b": term(float(b), radius)}
        interval = total_of(FORMULA, terms, {}, i + 1, "float32")
        logged = float(np.float32(total(a, b)))
        batch = Replay(i + 1, f"batches/{i + 1}", "", "tensors", "cpu", interval, terms, logged)
        found.append(replace(batch, logged_terms={"a": float(a), "b": float(b)}))
    return tuple(found)


def right(a: np.float32, b: np.float32) -> float:
    return float(np.float32(2) * a + b)


class Case(Struct, frozen=True):
    """Steps of a run, other readings of them, and a word that the finding must hold."""

    replays: tuple[Replay, ...]
    says: str
    other: Hypothesis | None = None
    plain: bool = False
    accumulation: float | None = None
    ranks: float | None = None


def reading(check: str, decisive: bool = True) -> Hypothesis:
    """The same steps read in a way in which they agree."""
    return Hypothesis(check, f"read as {check}", steps(right), {}, decisive)


SPEAKS: dict[str, Case] = {
    "rival-formula": Case(steps(lambda a, b: float(a + 2 * b)), "rival `fig`"),
    "wrong-region": Case(steps(right, 0.01), "read as wrong-region", reading("wrong-region")),
    "wrong-denominator": Case(
        steps(right, 0.01), "read as wrong-denominator", reading("wrong-denominator")
    ),
    "misaligned-checkpoint": Case(
        steps(right, 0.01), "read as misaligned", reading("misaligned-checkpoint", False)
    ),
    "term-not-in-total": Case(steps(lambda a, b: float(2 * a)), "`b` is logged but not in"),
    "swapped-weights": Case(
        steps(lambda a, b: float(a + 2 * b)), "have changed places", plain=True
    ),
    "weighted-or-raw": Case(steps(lambda a, b: float(a + b)), "hold their weights already"),
    "double-counted-term": Case(steps(lambda a, b: float(2 * a + 2 * b)), "`b` is counted twice"),
    "hidden-term": Case(steps(lambda a, b: right(a, b) + 0.25), "a constant +0.25"),
    "scaled-log": Case(steps(lambda a, b: right(a, b) * 5), "the total is 5 x the formula"),
    "unit-change": Case(steps(lambda a, b: right(a, b) / float(np.log(2))), "1 / ln 2 x"),
    "accumulation-scale": Case(
        steps(lambda a, b: right(a, b) / 8), "the number of accumulation steps", accumulation=8
    ),
    "rank-scale": Case(steps(lambda a, b: right(a, b) * 4), "the number of ranks", ranks=4),
    "formula-mismatch": Case(
        steps(lambda a, b: float(1.7 * a + 0.3 * b * b)), "5 of 5 replayed steps refute"
    ),
    "masked-nonfinite": Case(
        (
            *steps(right)[:4],
            replace(
                steps(right)[4],
                terms={"a": term(float("nan"), 0.0), "b": term(float(TERMS[4][1]))},
            ),
        ),
        "one side is not finite",
    ),
    "surviving-rival": Case(steps(right, radius=0.5), "cannot tell the formula from `fig`"),
    "logged-term-mismatch": Case(
        tuple(replace(r, logged_terms={"a": 0.125}) for r in steps(right)),
        "`a` is not what was logged on 5 of 5 replayed steps",
    ),
}


def examined(case: Case) -> ReplayEvidence:
    spec = PLAIN if case.plain else SPEC
    spec = replace(spec, accumulation_steps=case.accumulation, ranks=case.ranks)
    hypotheses = [case.other] if case.other is not None else []
    return explain_replays(examine_replays(spec, "run", case.replays), hypotheses)


def findings(evidence: ReplayEvidence) -> list[Finding]:
    return [f for check in CHECKS.values() for f in check.replay(evidence)]


def test_every_check_has_a_case() -> None:
    assert set(SPEAKS) == set(CHECKS)


@pytest.mark.parametrize("name", SPEAKS)
def test_check_speaks_on_its_steps(name: str) -> None:
    case = SPEAKS[name]
    evidence = examined(case)
    found = [f for f in findings(evidence) if f.check == name]
    assert found
    assert case.says in found[0].message
    errors = [f.check for f in findings(evidence) if f.severity.value == "error"]
    assert errors == ([name] if CHECKS[name].severity.value == "error" else [])


def test_all_are_silent_on_the_repaired_steps() -> None:
    assert findings(examined(Case(steps(right), ""))) == []


def test_all_are_silent_where_no_total_is_logged() -> None:
    bare = tuple(replace(r, total_logged=None, logged_terms={}) for r in steps(right))
    evidence = examined(Case(bare, ""))
    assert findings(evidence) == []
    assert judge_replays(evidence)[0].value == "INCONCLUSIVE"


def test_no_check_speaks_of_no_steps() -> None:
    assert findings(examined(Case((), ""))) == []


def test_what_fits_as_well_is_listed_after_a_named_rival() -> None:
    figure = steps(lambda a, b: float(a + 2 * b), 0.0)
    other = Hypothesis(
        "wrong-region",
        "another region",
        tuple(replace(r, total=replace(r.total, value=r.total_logged or 0)) for r in figure),
    )
    alike = tuple(
        replace(o, terms={"a": term(0.0), "b": term(o.total_logged or 0.0)}) for o in other.replays
    )
    evidence = examined(Case(figure, "", replace(other, replays=alike)))
    (found,) = (f for f in findings(evidence) if f.severity.value == "error")
    assert found.check == "rival-formula"
    assert [e["check"] for e in found.evidence["also"]] == ["wrong-region"]
    assert "it fits as well that another region" in found.message
