"""One column as the total: the simplest formula that fits, and whether it is established."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit.closure.binding import Binding, bind
from lossaudit.closure.identify.answer import Weighted, plain_weights
from lossaudit.closure.identify.columns import Columns, Question, columns_beside, family_of
from lossaudit.closure.identify.doubt import doubt_of
from lossaudit.closure.identify.evidence import Standing, is_crowded, weigh_evidence
from lossaudit.closure.identify.runners import listed, runners_up
from lossaudit.closure.identify.sample import Sample, take_sample
from lossaudit.closure.identify.search import Pool, alternatives, few_terms, fewest_terms, sort_out
from lossaudit.closure.identify.trials import spec_of, sum_of, trial_of
from lossaudit.closure.identify.unfit import decay_of, why_unfit, window_of
from lossaudit.closure.keys import Keys
from lossaudit.closure.sum_dtype import coarsest_of
from lossaudit.model.identification import FoundWeight, RunnerUp
from lossaudit.model.log import Log
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.tree import render_name

NO_ROW = "no row has the total and its terms, ready to be decided"


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
    if first.weights or not first.rows:
        return first
    found = _with_no_terms(log, keys, base, columns, question, totals)
    if found is not None or kind not in ("", "step"):
        return found or first
    return _smoothed(log, keys, first, columns.terms, question, totals)


def _with_no_terms(
    log: Log, keys: Keys, base: Candidate, columns: Columns, question: Question, totals: int
) -> Candidate | None:
    """What fits once columns count that are no terms by their names; never established."""
    if not columns.no_terms:
        return None
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
    trial = trial_of(log, keys, base.total, tags, question)
    sample, sparse = take_sample(trial, tags)
    left_out = base.left_out | dict.fromkeys(sparse, "too few rows hold a usable number")
    base = replace(base, left_out=left_out, rows=len(sample))
    if not len(sample):
        return replace(base, reason=NO_ROW)
    sample, pool, terms = _searched(log, trial.binding, sample, question)
    base = replace(base, copies=tuple(sample.tags[p] for p in pool.copies))
    if terms is None:
        return replace(base, reason=why_unfit(sample, pool) if len(sample) else NO_ROW)
    return _judged(base, sample, pool, terms, totals)


def _searched(
    log: Log, binding: Binding, whole: Sample, question: Question
) -> tuple[Sample, Pool, tuple[int, ...] | None]:
    """The terms that fit in the arithmetic that they themselves allow for.

    A column on a coarse grid, such as an accuracy, says nothing of how others were added up: the
    search starts with what the total's own digits allow, and grants more to terms that show it.
    """
    assert binding.total is not None
    widest = coarsest_of(question.dtype, *(r.grid for r in binding.cautious.values()))
    dtype = coarsest_of(question.dtype, binding.cautious[binding.total].grid)
    while True:
        sample = whole.in_arithmetic(FORMATS[dtype].unit_roundoff)
        if not len(sample):
            return sample, sort_out(sample), None
        pool = sort_out(sample)
        terms = _terms(sample, pool, binding.total)
        if terms is None:
            if dtype == widest:
                return sample, pool, None
            dtype = widest
            continue
        tags = [sample.tags[t] for t in terms]
        spec = spec_of(binding.total, sum_of(tags), tags, question)
        own = bind(spec, log).cautious_sum.dtype
        if own == dtype or coarsest_of(own, dtype) == dtype:
            return sample, pool, terms if own == dtype else None
        dtype = own


def _smoothed(
    log: Log, keys: Keys, unfit: Candidate, tags: Sequence[str], question: Question, totals: int
) -> Candidate:
    """What a total is the mean of, where it is one of its columns' sum over the last rows."""
    sample, _ = take_sample(trial_of(log, keys, unfit.total, tags, question), tags, first=True)
    pool = sort_out(sample)
    window = window_of(sample, pool.terms)
    if window is not None:
        option = f"trailing:{window}"
        aggregates = {unfit.total: option, **question.aggregates}
        asked = replace(question, aggregates=aggregates)
        found = _try(log, keys, unfit, tags, asked, totals)
        if found.formula is not None:
            said = f"it is the mean of {found.formula.text} over the last {window} rows"
            option = f"--aggregate '{unfit.total}={option}'"
            return replace(unfit, reason=f"{said}; {option} would decide")
    decay = decay_of(sample, pool.terms)
    return replace(unfit, reason=decay) if decay else unfit


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
        reason=doubt_of(sample, terms, formula, standing, others, pool),
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
