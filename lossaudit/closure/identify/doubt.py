"""Why a formula that fits is not established, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from lossaudit.closure.identify.answer import Weighted
from lossaudit.closure.identify.evidence import ENOUGH_BITS, Standing
from lossaudit.closure.identify.names import is_same_name
from lossaudit.closure.identify.runners import listed
from lossaudit.closure.identify.sample import MOST_SUMMED, Sample
from lossaudit.closure.identify.search import Pool
from lossaudit.numerics.plain_numbers import plain_text

OF_NO_TERMS = "--without TAG tells which are no terms"


def doubt_of(
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
    if len(terms) > MOST_SUMMED:
        return f"formulas of more than {MOST_SUMMED} terms are not established"
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
    return _unseen(sample, terms, pool)


def _unseen(sample: Sample, terms: Sequence[int], pool: Pool) -> str:
    """What no row can show: how a weight is split between twins, and the weight of what is 0."""
    for term in terms:
        tag = sample.tags[term]
        twins = [t for p in pool.same.get(term, ()) if not is_same_name(t := sample.tags[p], tag)]
        if twins:
            held = "holds" if len(twins) == 1 else "hold"
            same = f"{listed(twins)} {held} the same numbers as {listed([tag])}"
            return f"{same}: the weight may be split between them; {OF_NO_TERMS}"
    if pool.zeros:
        zeros = [sample.tags[p] for p in pool.zeros]
        always = f"{listed(zeros)} {'is' if len(zeros) == 1 else 'are'} 0 on every row"
        return f"{always}, so that nothing shows whether it is in the total; {OF_NO_TERMS}"
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
