"""Evidence of one log -> its balance: two passes over the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct, field

from lossaudit.balance.census import Census
from lossaudit.balance.course import CourseFold, Plan
from lossaudit.balance.equal import EqualWeights, solve
from lossaudit.balance.ratios import all_pairs, pairs_with
from lossaudit.balance.terms import WeightedTerms
from lossaudit.balance.what_if import Question, place_of
from lossaudit.closure.examine import LogEvidence
from lossaudit.closure.verdict import judge
from lossaudit.closure.weigh import MOST_WEIGHTS
from lossaudit.model.balance import Balance, EqualShares, Ratio, Share, WhatIf
from lossaudit.model.finding import Verdict


class Measured(Struct, frozen=True):
    """A log's balance, and the shares of its terms; both empty where nothing could be measured."""

    balance: Balance
    shares: Mapping[str, Share] = field(default_factory=dict)


def measure(evidence: LogEvidence, questions: Sequence[Question] = ()) -> Measured:
    """Go over the rows of one log twice.

    Args:
        evidence: of the log against its spec; where its terms could not be joined, or are more
            than 64, nothing is measured.
        questions: other weights of single terms.

    Raises:
        UsageError: if a question is about a term that the formula does not have.
    """
    limit, join = evidence.spec.max_share, evidence.join
    if join is None:
        return Measured(Balance(max_share=limit))
    terms = WeightedTerms.of(evidence.binding)
    if not 0 < len(terms.names) <= MOST_WEIGHTS:
        too_many = f"the formula has {len(terms.names):,} terms; up to {MOST_WEIGHTS} are weighed"
        return Measured(Balance(max_share=limit, cautions=(too_many,)))
    asked = [place_of(question, terms.names) for question in questions]
    moving = [i for i in range(len(terms.names)) if not terms.is_constant(i)]
    census = Census(terms, all_pairs(moving))
    for rows in join.rows():
        census.update(terms.read(rows))
    if not census.rows:
        return Measured(Balance(left_out=dict(census.left_out), max_share=limit))
    equal = solve(census)
    variants = [_with(terms, i, q.weight) for i, q in zip(asked, questions, strict=True)]
    largest = next((i for i in census.by_size() if i in moving), 0)
    plan = Plan(
        census.rows, pairs_with(largest, moving), [*variants, *([equal.weights] if equal else [])]
    )
    fold = CourseFold(terms, plan)
    for rows in join.rows():
        fold.update(terms.read(rows))
    return _concluded(evidence, census, fold, equal, list(zip(asked, questions, strict=True)))


def _with(terms: WeightedTerms, place: int, weight: float) -> np.ndarray:
    weights = terms.weights.copy()
    weights[place] = weight
    return weights


def _concluded(
    evidence: LogEvidence,
    census: Census,
    fold: CourseFold,
    equal: EqualWeights | None,
    asked: Sequence[tuple[int, Question]],
) -> Measured:
    names = census.terms.names
    balance = Balance(
        census.rows,
        dict(census.left_out),
        dict(zip(names, census.terms.weights.tolist(), strict=True)),
        evidence.spec.max_share,
        fold.courses(census.signs()),
        tuple(_ratios(census, fold)),
        _equal_shares(names, equal, fold.shares[-1].result()) if equal else None,
        tuple(
            WhatIf(names[i], question.weight, shares.result())
            for (i, question), shares in zip(asked, fold.shares[: len(asked)], strict=True)
        ),
        tuple(_cautions(evidence)),
    )
    return Measured(balance, census.shares.result())


def _ratios(census: Census, fold: CourseFold) -> list[Ratio]:
    names = census.terms.names
    pairs = [*census.pairs, *fold.plan.pairs]
    folds = [*census.ratios, *fold.ratios]
    return [r.result(names[i], names[j]) for (i, j), r in zip(pairs, folds, strict=True)]


def _equal_shares(
    names: Sequence[str], equal: EqualWeights, shares: Mapping[str, Share]
) -> EqualShares:
    return EqualShares(
        names[equal.keeps],
        dict(zip(names, equal.weights.tolist(), strict=True)),
        shares,
        {names[i]: weight for i, weight in equal.alone.items()},
        tuple(names[i] for i in equal.left_out),
    )


def _cautions(evidence: LogEvidence) -> list[str]:
    """What keeps the shares from being those that were trained."""
    if evidence.not_additive:
        return [f"shares of what was logged: {evidence.not_additive}"]
    outcome = evidence.outcome
    if outcome is None or not outcome.declared.refuted:
        return []
    verdict, _ = judge(evidence)
    return [not_trained(outcome.declared.refuted, outcome.declared.decided, verdict)]


def not_trained(refuted: int, decided: int, verdict: Verdict) -> str:
    """The caution where some of the decided rows do not follow the declared formula."""
    unlike = "refute the formula" if verdict is Verdict.FAIL else "do not close as they stand"
    rows = f"{refuted:,} of {decided:,} decided rows {unlike}"
    return f"{rows}: these are the shares of the declared weights, not of those that were trained"
