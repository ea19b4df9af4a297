"""What is said of one total: its simplest formula, and whether that is established."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit.closure.identify.answer import Weighted, plain_weights
from lossaudit.closure.identify.columns import TOO_MANY
from lossaudit.closure.identify.doubt import doubt_of
from lossaudit.closure.identify.evidence import Standing, weigh_evidence
from lossaudit.closure.identify.runners import runners_up
from lossaudit.closure.identify.sample import Sample
from lossaudit.closure.identify.search import Pool, alternatives
from lossaudit.closure.solver import OutOfEffortError
from lossaudit.model.identification import FoundWeight, RunnerUp
from lossaudit.spec.formula_text import render_name

GIVEN_UP = "so many columns cost too much to tell apart; --total or --without TAG leaves fewer"


class Candidate(Struct, frozen=True):
    """What fits one total.

    Attributes:
        total: its tag.
        reason: why its formula is not established; empty where it is.
        formula: the simplest that was found, or None.
        weights: by tag.
        runners_up: what fits as well.
        copies: other columns that hold the total too.
        left_out: columns that were no candidates -> why.
        rows: how many rows were looked at.
        given_up: whether the search cost too much to be ended.
    """

    total: str
    reason: str
    formula: Weighted | None = None
    weights: dict[str, FoundWeight] = field(default_factory=dict)
    runners_up: tuple[RunnerUp, ...] = ()
    copies: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    given_up: bool = False

    @property
    def is_established(self) -> bool:
        """Whether this formula, and no other, fits."""
        return self.formula is not None and not self.reason

    @property
    def text(self) -> str:
        """TOTAL = EXPRESSION, empty where nothing fits."""
        return f"{render_name(self.total)} = {self.formula.text}" if self.formula else ""


def judged(
    base: Candidate, sample: Sample, pool: Pool, terms: tuple[int, ...], totals: int
) -> Candidate:
    """The formula of some terms with all that speaks against it."""
    tags = [sample.tags[t] for t in terms]
    try:
        standing = weigh_evidence(sample, terms, pool.terms, totals)
        weights = plain_weights(sample, terms, standing.bounds)
        others = list[tuple[int, ...]]()
        if standing.is_doubtful and not standing.crowded:
            others = [o for o in alternatives(sample, pool.terms, terms) if o != terms]
        formula = _weighted(tags, weights)
        beside = runners_up(base.total, sample, pool, formula, standing, others)
    except OutOfEffortError:
        return _given_up(base, replace(sample, effort=None), terms)
    return replace(
        base,
        formula=formula,
        weights=_found(tags, weights, standing),
        runners_up=beside,
        reason=doubt_of(sample, terms, formula, standing, others, pool) or _not_looked_at(base),
    )


def _given_up(base: Candidate, sample: Sample, terms: Sequence[int]) -> Candidate:
    """A formula that fits, of which no more is known."""
    tags, weights = [sample.tags[t] for t in terms], plain_weights(sample, terms, None)
    return replace(
        base,
        formula=_weighted(tags, weights),
        weights=_found(tags, weights, Standing(None)),
        reason=GIVEN_UP,
        given_up=True,
    )


def _not_looked_at(base: Candidate) -> str:
    """Why nothing is established beside columns that nobody looked at; empty where all were."""
    count = sum(why == TOO_MANY for why in base.left_out.values())
    return f"{count} more columns were not looked at; --without TAG leaves fewer" if count else ""


def _weighted(tags: Sequence[str], weights: Sequence[Fraction] | None) -> Weighted | None:
    return Weighted(dict(zip(tags, weights, strict=True))) if weights else None


def _found(
    tags: Sequence[str], weights: Sequence[Fraction] | None, standing: Standing
) -> dict[str, FoundWeight]:
    found = {}
    bounds = standing.bounds
    for i, tag in enumerate(tags):
        low, high = (-np.inf, np.inf) if bounds is None else (bounds.low[i], bounds.high[i])
        settled = i < len(standing.readings) and standing.readings[i].settled
        weight = float(weights[i]) if weights else float((low + high) / 2)
        found[tag] = FoundWeight(weight, float(low), float(high), settled)
    return found
