"""Replays against one spec: everything that the verdict and the checks look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from msgspec import Struct
from msgspec.structs import replace

from lossaudit.closure.diagnosis.candidates import automatic, candidates, survivors
from lossaudit.closure.diagnosis.diagnose import ORDER
from lossaudit.closure.diagnosis.explanation import Explanation
from lossaudit.closure.diagnosis.factor import Factors
from lossaudit.closure.diagnosis.one_number import one_number_candidates
from lossaudit.closure.fold import Closure
from lossaudit.closure.outcome import Outcome
from lossaudit.closure.replay.distinction import separation
from lossaudit.closure.replay.rows import NO_TOTAL, ReplayRows, declared_formula, total_of
from lossaudit.closure.rivals import Candidate, rivals_of, same_as
from lossaudit.model.finding import Location
from lossaudit.model.replay import Hypothesis, Interval, Replay
from lossaudit.spec.formula_text import render
from lossaudit.spec.logged_weights import logged_weights
from lossaudit.spec.normal_form import normal_form
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import RESERVED, Expr, names, number, ordered_names, substitute

PRECEDENCE = (
    "rival-formula",
    "wrong-region",
    "wrong-denominator",
    "misaligned-checkpoint",
    *ORDER[1:],
)
"""Which of several explanations counts; what fits as well is listed."""

LEAST_ROWS = 2
"""Replays that a hypothesis with a free number must explain; one would fit any."""

UNMEASURED = (
    "the rounding of the forward pass was not measured, so the recomputed terms have no bound and "
    "no verdict is taken from them"
)


class ReplayEvidence(Struct, frozen=True):
    """What replayed steps say about one spec.

    Attributes:
        spec: the declaration.
        source: what was replayed, as a report names it.
        declared: the formula without families and parameters.
        replays: the steps, in the order of the rows.
        outcome: of the fold, or None where nothing could be put to the test.
        explanations: what the run does instead, where it refutes the formula; the first counts.
        obstacle: why nothing could be tested, one sentence; empty where it could.
        same_rivals: named rivals that are the declared formula itself.
        apart: how well these replays tell each named rival from the declared formula.
        not_additive: empty; a forward pass is no aggregate.
    """

    spec: Spec
    source: str
    declared: Expr
    replays: tuple[Replay, ...]
    outcome: Outcome | None = None
    explanations: tuple[Explanation, ...] = ()
    obstacle: str = ""
    same_rivals: tuple[str, ...] = ()
    apart: tuple[Apart, ...] = ()
    not_additive: str = ""

    @property
    def is_refuted(self) -> bool:
        """Whether some row refutes the declared formula."""
        return self.outcome is not None and self.outcome.declared.refuted > 0

    def locate(self, record: int) -> Location:
        """Where a row comes from: its sample batch."""
        return Location(self.replays[record].batch)


class Apart(Struct, frozen=True):
    """A rival's total beside the declared formula's, on the step that tells them best.

    Attributes:
        name: of the rival.
        step: that step.
        declared, rival: the two recomputed totals.
        half_width: of the logged total; 0 where none is logged, as if all its digits were.
    """

    name: str
    step: int
    declared: Interval
    rival: Interval
    half_width: float

    @property
    def separation(self) -> float:
        """How far apart, as a multiple of what precision leaves open; above 1 they can be told."""
        return separation(self.declared, self.rival, self.half_width)


def examine_replays(spec: Spec, source: str, replays: Sequence[Replay]) -> ReplayEvidence:
    """Put a spec to the test on recomputed steps; nothing is raised where nothing can be decided.

    Args:
        spec: what the run is said to follow.
        source: what was replayed, as a report names it.
        replays: the steps; their `total` is filled in by the engine.
    """
    known = list(dict.fromkeys(n for r in replays for n in (*r.terms, *r.given)))
    declared = declared_formula(spec, known)
    parameters: dict[str, Expr] = {n: number(v) for n, v in spec.parameters.items()}
    named = {n: substitute(e, parameters) for n, (e, _) in spec.rivals.items()}
    rivals = rivals_of(declared, named)
    evidence = ReplayEvidence(
        spec,
        source,
        declared,
        tuple(replays),
        same_rivals=same_as(declared, named),
        apart=tuple(
            best for r in rivals if not r.automatic and (best := _apart(declared, r, replays))
        ),
    )
    obstacle = _obstacle(spec, declared, replays)
    if obstacle:
        return replace(evidence, obstacle=obstacle)
    return replace(evidence, outcome=_fold(evidence, rivals))


def explain_replays(
    evidence: ReplayEvidence, hypotheses: Sequence[Hypothesis] = ()
) -> ReplayEvidence:
    """What explains replays that refute the formula: another formula, or other numbers in it.

    Args:
        evidence: refuted, or it is given back as it is.
        hypotheses: the same steps recomputed in other ways.
    """
    outcome = evidence.outcome
    if outcome is None or not outcome.declared.refuted_finite:
        return evidence
    found = [*_formulas(evidence, outcome), *_fitting(evidence, hypotheses)]
    found.sort(key=_precedence)
    return replace(evidence, explanations=tuple(found))


def _precedence(explanation: Explanation) -> int:
    """Its place; what only a number says, or the batches' own totals, comes after all formulas."""
    if explanation.facts.get("stated") or explanation.facts.get("by_number"):
        return len(PRECEDENCE)
    return PRECEDENCE.index(explanation.check)


def rows_of(evidence: ReplayEvidence, replays: Sequence[Replay]) -> ReplayRows:
    """Replays as rows for this spec's formulas."""
    rivals = (expr for expr, _ in evidence.spec.rivals.values())
    wanted = names(evidence.declared).union(*map(names, rivals))
    known = {n for r in replays for n in (*r.terms, *r.given)}
    return ReplayRows(replays, frozenset((wanted & known) | names(evidence.declared)) - RESERVED)


def _fold(evidence: ReplayEvidence, rivals: Sequence[Candidate]) -> Outcome:
    fold = Closure(evidence.declared, rivals)
    for rows, prepared in rows_of(evidence, evidence.replays).blocks():
        fold.update(rows, prepared)
    return fold.result()


def _obstacle(spec: Spec, declared: Expr, replays: Sequence[Replay]) -> str:
    """Why nothing can be put to the test; empty where something can."""
    if not replays:
        return "no step could be replayed"
    needed = [n for n in ordered_names(declared) if n not in RESERVED]
    lacking = [n for n in needed if not any(n in r.terms or n in r.given for r in replays)]
    if lacking:
        if unlogged := [f"`{n}`" for n in lacking if n in logged_weights(spec)]:
            return (
                f"the weight {', '.join(unlogged)} stands in no log beside the total, and in no "
                "batch, and no total can be formed"
            )
        listed = ", ".join(f"`{n}`" for n in lacking)
        return f"{listed} cannot be recomputed from these batches, and no total can be formed"
    if not any(r.is_bounded for r in replays):
        return UNMEASURED
    if all(r.total_logged is None for r in replays):
        return f"{NO_TOTAL}: no batch states it, and no log was named that does"
    return ""


def _apart(declared: Expr, rival: Candidate, replays: Sequence[Replay]) -> Apart | None:
    """Where a rival is told best; None where it can be evaluated on no step."""
    found = [
        Apart(rival.name, r.step, r.total, other, r.total_half)
        for r in replays
        if r.is_bounded
        for other in (total_of(rival.expr, r.terms, r.given, r.step, r.dtype),)
        if isfinite(other.value) and isfinite(r.total.value)
    ]
    return max(found, key=lambda a: a.separation, default=None)


def _formulas(evidence: ReplayEvidence, outcome: Outcome) -> Iterator[Explanation]:
    """Named rivals, and other things that are often done to a formula."""
    for rival in outcome.fitting():
        if not rival.automatic:
            said = f"the run follows rival `{rival.name}`"
            yield Explanation("rival-formula", said, render(rival.expr), {"rival": rival.name})
    rows = rows_of(evidence, evidence.replays)
    least = outcome.declared.decided_finite
    tried = candidates(normal_form(evidence.declared))
    if outcome.declared.refuted_finite >= LEAST_ROWS:
        factors = Factors.of(evidence.declared)
        for _, prepared in rows.blocks():
            factors.update(prepared)
        tried += one_number_candidates(evidence.spec, factors)
    seen = set[tuple[str, str]]()
    for candidate in (*automatic(outcome), *survivors(tried, rows, least)):
        text = render(candidate.expr)
        if (candidate.check, text) not in seen:
            seen.add((candidate.check, text))
            yield Explanation(candidate.check, candidate.summary, text, candidate.facts)


def _silent(replays: Sequence[Replay]) -> int:
    return sum(r.total_logged is None for r in replays)


def _fitting(evidence: ReplayEvidence, hypotheses: Sequence[Hypothesis]) -> Iterator[Explanation]:
    """The hypotheses under which every logged total is the declared formula."""
    for hypothesis in hypotheses:
        again = _fold(replace(evidence, replays=hypothesis.replays), ())
        least = evidence.outcome.declared.decided_finite if evidence.outcome else 1
        withdrawn = _silent(hypothesis.replays) - _silent(evidence.replays)
        least -= withdrawn
        is_sharp = bool(again.declared.sharp) or least == 0 < withdrawn
        fits = is_sharp and not again.declared.refuted
        if fits and again.declared.decided_finite >= least:
            yield Explanation(
                hypothesis.check,
                hypothesis.summary,
                "",
                {**hypothesis.facts, "rows": again.declared.decided_finite},
                hypothesis.decisive,
            )
