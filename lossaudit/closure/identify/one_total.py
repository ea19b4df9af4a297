"""One column as the total: the simplest formula that fits it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.closure.binding import Binding, bind
from lossaudit.closure.identify.candidate import GIVEN_UP, Candidate, judged
from lossaudit.closure.identify.columns import Columns, Question, columns_beside, family_of
from lossaudit.closure.identify.evidence import is_crowded
from lossaudit.closure.identify.runners import listed
from lossaudit.closure.identify.sample import Sample, take_sample
from lossaudit.closure.identify.search import Pool, few_terms, fewest_terms, sort_out
from lossaudit.closure.identify.trials import spec_of, sum_of, trial_of
from lossaudit.closure.identify.unfit import decay_of, why_unfit, window_of
from lossaudit.closure.keys import Keys
from lossaudit.closure.solver import Effort, OutOfEffortError
from lossaudit.closure.sum_dtype import coarsest_of
from lossaudit.model.identification import FoundWeight
from lossaudit.model.log import Log
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.aggregate import aggregate_option

NO_ROW = "no row has the total and its terms, ready to be decided"

MOST_EFFORT = 4e9
"""What a search may cost over all totals, in numbers looked at: some five seconds."""


class Search(Struct, frozen=True):
    """What is searched, and what it may cost.

    Attributes:
        log: the whole log.
        keys: the step of every record.
        question: what the user says.
        totals: how many columns are tried as the total.
        effort: what the search for one of them may still cost.
    """

    log: Log
    keys: Keys
    question: Question
    totals: int
    effort: Effort

    @classmethod
    def of(cls, log: Log, keys: Keys, question: Question, totals: int) -> Search:
        """The search for one of so many totals."""
        return cls(log, keys, question, totals, Effort(MOST_EFFORT / totals))


def look_at(search: Search, total: str) -> Candidate:
    """Search the formula of one total, a tag of the log."""
    log, question = search.log, search.question
    columns = columns_beside(log, total, search.keys, question)
    base = Candidate(total, "", left_out=dict(columns.left_out))
    kind = question.aggregate(total, log, as_total=True).partition(":")[0]
    if kind == "median":
        return replace(base, reason="it is a median, and medians do not add up")
    if not columns.terms and not columns.no_terms:
        return replace(base, reason="no other column could be a term")
    by_name = dict.fromkeys(columns.no_terms, "by its name it is no term")
    first = replace(base, left_out={**base.left_out, **by_name})
    try:
        first = _try(search, first, columns.terms)
        if first.weights or not first.rows:
            return first
        found = _with_no_terms(search, base, columns)
        if found is not None or kind not in ("", "step"):
            return found or first
        return _smoothed(search, first, columns.terms)
    except OutOfEffortError:
        return replace(first, reason=GIVEN_UP, given_up=True)


def _with_no_terms(search: Search, base: Candidate, columns: Columns) -> Candidate | None:
    """What fits once columns count that are no terms by their names; never established.

    Such a column must itself be needed: where its weight may be 0 or anything, it is the digits
    that it lacks, such as those of a learning rate that never changes, which make room for a fit.
    """
    if not columns.no_terms:
        return None
    found = _try(search, base, [*columns.terms, *columns.no_terms])
    odd = [t for t in found.weights if t in columns.no_terms]
    if found.formula is None or not odd or any(_may_be_zero(found.weights[t]) for t in odd):
        return None
    needs = f"only a formula with {listed(odd)} fits, which by its name is no term of a loss"
    return replace(found, reason=needs)


def _may_be_zero(weight: FoundWeight) -> bool:
    return weight.low <= 0 <= weight.high


def _try(search: Search, base: Candidate, tags: Sequence[str]) -> Candidate:
    if not tags:
        return replace(base, reason="no other column could be a term")
    trial = trial_of(search.log, search.keys, base.total, tags, search.question)
    sample, sparse = take_sample(trial, tags)
    sample = replace(sample, effort=search.effort)
    left_out = base.left_out | dict.fromkeys(sparse, "too few rows hold a usable number")
    base = replace(base, left_out=left_out, rows=len(sample))
    if not len(sample):
        return replace(base, reason=NO_ROW)
    sample, pool, terms = _searched(search, trial.binding, sample)
    base = replace(base, copies=tuple(sample.tags[p] for p in pool.copies))
    if terms is None:
        return replace(base, reason=why_unfit(sample, pool) if len(sample) else NO_ROW)
    return judged(base, sample, pool, terms, search.totals)


def _searched(
    search: Search, binding: Binding, whole: Sample
) -> tuple[Sample, Pool, tuple[int, ...] | None]:
    """The terms that fit in the arithmetic that they themselves allow for.

    A column on a coarse grid, such as an accuracy, says nothing of how others were added up: the
    search starts with what the total's own digits allow, and grants more to terms that show it.
    """
    assert binding.total is not None
    log, question = search.log, search.question
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


def _smoothed(search: Search, unfit: Candidate, tags: Sequence[str]) -> Candidate:
    """What a total is the mean of, where it is one of its columns' sum over the last rows."""
    question = search.question
    trial = trial_of(search.log, search.keys, unfit.total, tags, question)
    sample, _ = take_sample(trial, tags, first=True)
    sample = replace(sample, effort=search.effort)
    pool = sort_out(sample)
    window = window_of(sample, pool.terms)
    if window is not None:
        option = f"trailing:{window}"
        aggregates = {unfit.total: option, **question.aggregates}
        asked = replace(question, aggregates=aggregates)
        found = _try(replace(search, question=asked), unfit, tags)
        if found.formula is not None:
            said = f"it is the mean of {found.formula.text} over the last {window} rows"
            option = aggregate_option(unfit.total, option)
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
