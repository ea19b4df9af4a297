"""What fits as well as an answer, or says the same: formulas that a user may have meant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossaudit.closure.identify.answer import Weighted, plain_weights
from lossaudit.closure.identify.evidence import Standing, settling_bounds
from lossaudit.closure.identify.sample import Sample
from lossaudit.closure.identify.search import Pool
from lossaudit.model.identification import RunnerUp
from lossaudit.spec.formula_text import render_name

MOST_NAMED = 3
MOST_TRIED = 20


def runners_up(
    total: str,
    sample: Sample,
    pool: Pool,
    formula: Weighted | None,
    standing: Standing,
    others: Sequence[tuple[int, ...]],
) -> tuple[RunnerUp, ...]:
    """Formulas beside the answer.

    Args:
        total: tag of the total.
        sample: the rows.
        pool: the columns, sorted out.
        formula: the answer, if there is one with weights.
        standing: how well it is established.
        others: sets of columns that fit in place of the answer's.
    """
    found = _other_sets(total, sample, others)
    if formula is not None:
        found += _other_weights(total, sample, formula, standing)
        found += _other_columns(total, sample, formula, standing)
        found += _zeros(total, sample, pool, formula)
        found += _other_tags(total, sample, pool, formula)
    return tuple(found)


def _other_sets(total: str, sample: Sample, others: Sequence[tuple[int, ...]]) -> list[RunnerUp]:
    found = []
    for places in others[:MOST_NAMED]:
        tags = [sample.tags[p] for p in places]
        weights = plain_weights(sample, places, settling_bounds(sample, places))
        names = Weighted(dict(zip(tags, weights, strict=True))).text if weights else listed(tags)
        found.append(RunnerUp(_equation(total, names), "fits every row as well"))
    return found


def _other_weights(
    total: str, sample: Sample, formula: Weighted, standing: Standing
) -> list[RunnerUp]:
    """The formula with another plain number for one weight, where that fits every row."""
    found, tags = list[RunnerUp](), list(formula.weights)
    rows = sample.inequalities([sample.tags.index(t) for t in tags])
    for i in standing.unsettled:
        for other in standing.readings[i].others[:MOST_TRIED]:
            changed = Weighted({**formula.weights, tags[i]: other})
            weights = np.array([float(w) for w in changed.weights.values()])
            if rows.are_satisfied_by(weights):
                found.append(RunnerUp(_equation(total, changed.text), "fits every row as well"))
                break
    return found[:MOST_NAMED]


def _other_columns(
    total: str, sample: Sample, formula: Weighted, standing: Standing
) -> list[RunnerUp]:
    found = []
    for hidden in standing.hidden[:MOST_NAMED]:
        tag = sample.tags[hidden.place]
        text = f"{formula.text} + w*{render_name(tag)}"
        if np.isfinite([hidden.low, hidden.high]).all():
            said = f"fits with w from {hidden.low:.2g} to {hidden.high:.2g}"
        else:
            said = "rounding hides how this column differs from the others"
        found.append(RunnerUp(_equation(total, text), said))
    return found


def _zeros(total: str, sample: Sample, pool: Pool, formula: Weighted) -> list[RunnerUp]:
    """The formula with a column that adds nothing, whatever its weight."""
    texts = [f"{formula.text} + w*{render_name(sample.tags[p])}" for p in pool.zeros]
    said = "fits with any w: the column is 0 on every row"
    return [RunnerUp(_equation(total, text), said) for text in texts[:MOST_NAMED]]


def _other_tags(total: str, sample: Sample, pool: Pool, formula: Weighted) -> list[RunnerUp]:
    """The same formula over columns that hold the same numbers."""
    found = []
    for place, twins in pool.same.items():
        tag = sample.tags[place]
        if tag in formula.weights:
            other = sample.tags[twins[0]]
            renamed = {other if t == tag else t: w for t, w in formula.weights.items()}
            said = f"{listed([other])} holds the same numbers as {listed([tag])}"
            found.append(RunnerUp(_equation(total, Weighted(renamed).text), said))
    return found


def _equation(total: str, text: str) -> str:
    return f"{render_name(total)} = {text}"


def listed(tags: Sequence[str]) -> str:
    """The first few of some tags, as messages name them."""
    shown = ", ".join(f"`{t}`" for t in tags[:MOST_NAMED])
    return shown + (f" and {len(tags) - MOST_NAMED} more" if len(tags) > MOST_NAMED else "")
