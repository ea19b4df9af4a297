"""One column as the total: the simplest formula that fits, and whether it is established."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from lossaudit.closure.binding import bind
from lossaudit.closure.identify.answer import Weighted, plain_weights
from lossaudit.closure.identify.certify import some_weights_fit
from lossaudit.closure.identify.columns import Columns, Question, columns_beside, family_of
from lossaudit.closure.identify.evidence import ENOUGH_BITS, Standing, is_crowded, weigh_evidence
from lossaudit.closure.identify.runners import listed, runners_up
from lossaudit.closure.identify.sample import Sample, take_sample
from lossaudit.closure.identify.search import Pool, alternatives, few_terms, fewest_terms, sort_out
from lossaudit.closure.keys import Keys
from lossaudit.closure.trial import Trial
from lossaudit.model.identification import FoundWeight, RunnerUp
from lossaudit.model.log import Log
from lossaudit.numerics.plain_numbers import plain_text
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import Expr, Name, Sum, render_name


@dataclass(frozen=True, slots=True)
class Candidate:
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
    """

    total: str
    reason: str
    formula: Weighted | None = None
    weights: dict[str, FoundWeight] = field(default_factory=dict)
    runners_up: tuple[RunnerUp, ...] = ()
    copies: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    rows: int = 0

    @property
    def is_established(self) -> bool:
        """Whether this formula, and no other, fits."""
        return self.formula is not None and not self.reason

    @property
    def text(self) -> str:
        """TOTAL = EXPRESSION, empty where nothing fits."""
        return f"{render_name(self.total)} = {self.formula.text}" if self.formula else ""


def spec_of(total: str, formula: Expr, tags: Sequence[str], question: Question) -> Spec:
    """A spec in which every name is a tag."""
    aggregates = dict(question.aggregates)
    return Spec(
        "identified",
        formula,
        "",
        question.dtype,
        (total,),
        {tag: (tag,) for tag in tags},
        aggregates=aggregates,
    )


def look_at(log: Log, keys: Keys, total: str, question: Question, totals: int) -> Candidate:
    """Search the formula of one total.

    Args:
        log: the whole log.
        keys: the step of every record.
        total: a tag of the log.
        question: what the user says.
        totals: how many columns are tried as the total.
    """
    columns = columns_beside(log, total, keys, question)
    base = Candidate(total, "", left_out=dict(columns.left_out))
    kind = question.aggregate(total, log, as_total=True).partition(":")[0]
    if kind == "median":
        return replace(base, reason="it is a median, and medians do not add up")
    if not columns.terms and not columns.no_terms:
        return replace(base, reason="no other column could be a term")
    by_name = dict.fromkeys(columns.no_terms, "by its name it is no term")
    first = replace(base, left_out={**base.left_out, **by_name})
    first = _try(log, keys, first, columns.terms, question, totals)
    if first.weights or not columns.no_terms or not first.rows:
        return first
    return _with_no_terms(log, keys, base, columns, question, totals) or first


def _with_no_terms(
    log: Log, keys: Keys, base: Candidate, columns: Columns, question: Question, totals: int
) -> Candidate | None:
    """What fits once columns count that are no terms by their names; never established."""
    found = _try(log, keys, base, [*columns.terms, *columns.no_terms], question, totals)
    odd = [t for t in found.weights if t in columns.no_terms]
    if found.formula is None or not odd:
        return None
    needs = f"only a formula with {listed(odd)} fits, which by its name is no term of a loss"
    return replace(found, reason=needs)


def _try(
    log: Log,
    keys: Keys,
    base: Candidate,
    tags: Sequence[str],
    question: Question,
    totals: int,
) -> Candidate:
    if not tags:
        return replace(base, reason="no other column could be a term")
    names = tuple(Name(t) for t in tags)
    spec = spec_of(base.total, Sum(names) if len(names) > 1 else names[0], tags, question)
    trial = Trial.of(spec, log, bind(spec, log), keys)
    sample, sparse = take_sample(trial, tags)
    left_out = base.left_out | dict.fromkeys(sparse, "some rows do not have it")
    base = replace(base, left_out=left_out, rows=len(sample))
    if not len(sample):
        return replace(base, reason="no row has the total and its terms, ready to be decided")
    pool = sort_out(sample)
    base = replace(base, copies=tuple(sample.tags[p] for p in pool.copies))
    terms = _terms(sample, pool, base.total)
    if terms is None:
        return replace(base, reason=_why_nothing(sample, pool))
    return _judged(base, sample, pool, terms, totals)


def _terms(sample: Sample, pool: Pool, total: str) -> tuple[int, ...] | None:
    """The plain sum of a family of columns where that fits, else the fewest terms that do."""
    tags = [sample.tags[p] for p in pool.terms]
    for family in family_of(total, tags):
        chosen = tuple(pool.terms[i] for i in family)
        rows = sample.inequalities(chosen)
        if len(chosen) > 1 and rows.are_satisfied_by(np.ones(len(chosen))):
            return chosen
    if is_crowded(sample, pool.terms):
        return few_terms(sample, pool.terms)
    return (fewest_terms(sample, pool.terms) or None) if pool.terms else None


def _why_nothing(sample: Sample, pool: Pool) -> str:
    if not sample.total.any():
        return "it is 0 on every row"
    if is_crowded(sample, pool.terms):
        return f"{len(sample)} rows tell no formula of {len(pool.terms)} columns"
    if pool.terms and some_weights_fit(sample, pool.terms, 1):
        return (
            "its columns give it only with a constant added: something that is no column is in it"
        )
    if pool.scaled and not pool.copies:
        return f"{listed([sample.tags[p] for p in pool.scaled])} is a multiple of it, and no sum"
    several = f"no weighted sum of {len(pool.terms)} columns" if pool.terms else "no other column"
    return f"{several} gives it on every row: a term may not be logged, or it may be smoothed"


def _judged(
    base: Candidate, sample: Sample, pool: Pool, terms: tuple[int, ...], totals: int
) -> Candidate:
    """The formula of some terms with all that speaks against it."""
    standing = weigh_evidence(sample, terms, pool.terms, totals)
    weights = plain_weights(sample, terms, standing.bounds)
    others = []
    if standing.is_doubtful and not standing.crowded:
        others = [o for o in alternatives(sample, pool.terms, terms) if o != terms]
    tags = [sample.tags[t] for t in terms]
    formula = Weighted(dict(zip(tags, weights, strict=True))) if weights else None
    return replace(
        base,
        formula=formula,
        weights=_found(tags, weights, standing),
        runners_up=runners_up(base.total, sample, pool, formula, standing, others),
        reason=_doubt(sample, terms, formula, standing, others, pool),
    )


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


def _doubt(
    sample: Sample,
    terms: Sequence[int],
    formula: Weighted | None,
    standing: Standing,
    others: Sequence[Sequence[int]],
    pool: Pool,
) -> str:
    """The first reason why a formula is not established; empty where there is none."""
    names = [sample.tags[t] for t in terms]
    if formula is None:
        return f"some weights of {listed(names)} fit, but no plain ones were found"
    if standing.crowded:
        return f"{len(sample)} rows cannot tell {len(pool.terms)} columns apart: others fit as well"
    if others:
        without = listed([sample.tags[t] for t in terms if t not in others[0]])
        return f"a formula without {without} fits every row as well"
    if not standing.readings:
        return "single weights cannot be told: too few digits or rows, or terms that move together"
    if len(terms) == 1:
        return f"it is {formula.text}: one column, which may be the total in other units"
    if standing.unsettled:
        return _wide_weight(names, standing)
    if standing.hidden:
        hidden = listed([sample.tags[h.place] for h in standing.hidden])
        return f"the rows do not show whether {hidden} is in it too"
    if standing.trend:
        smooth = listed([sample.tags[t] for t in standing.trend])
        return f"{smooth} runs so smoothly that a constant or a curve over the rows does as well"
    if standing.bits < ENOUGH_BITS:
        return "so few rows would fit some formula by chance"
    return ""


def _wide_weight(names: Sequence[str], standing: Standing) -> str:
    """The weight about which least is known."""
    bounds = standing.bounds
    assert bounds is not None
    low, high = bounds.low, bounds.high
    i = max(standing.unsettled, key=lambda k: float((high[k] - low[k]) / bounds.sizes[k]))
    reading = standing.readings[i]
    known = f"the weight of {listed([names[i]])} is known as {low[i]:.4g} to {high[i]:.4g} only"
    if not reading.others:
        return known
    return f"{known}: {plain_text(reading.value)} is not the only plain number in it"
