"""Autograd used another weight than the declared one, or found no way to a term at all.

**What it checks**
`record/weights.jsonl`, where the recorder writes d total / d term of each recorded step, against
the weights of the declared formula.

**Why it matters**
A term that is detached is in the logged total and trains nothing: every row of every log agrees
with the formula, and the network is trained with another one.

**Example**
`total = 0.5*recon.detach() + 3.0*ce`: the log follows `0.5*recon + 3.0*ce` on all rows, and the
recorder has null for `recon` on all of them.

**How to fix**
Take out the `detach()`, `no_grad()` or `.item()` on the way from the term to the total. Where the
total is right, hand the recorder the very tensors from which it was computed.

**When it cannot decide**
A weight that is missing is a warning: a copy of the term, or a mean that was taken again, looks
like a detached term, and so does one in the same compiled region as the total: between a total and
a tensor that it does not depend on, the graph has nothing that would tell why (decision 24). A
weight of 0.0 is no missing one: autograd found the way, and it is an error. Weights that depend
on a step or on other terms are not compared. Verdicts are those of logs and replays alone; where
one of them fails already, other weights are no news and are left out.

**Numerics**
The relative tolerance is gamma(2(n + 1)), n terms, in the dtype of the sum, or in float16 or
bfloat16 where the recorded weight is a number of that format: each factor and each product is
rounded once on its way. Higham 2002, section 3.1.

**Source**
torch, documentation of `Tensor.detach`: "the result will never require gradient".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence
from lossaudit.closure.recorded_weights import are_recorded_weights
from lossaudit.model.finding import Finding, Location, Severity
from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.formats import FORMATS, gamma
from lossaudit.spec.normal_form import in_backquotes
from lossaudit.spec.tree import Name, names


def _run(evidence: LogEvidence) -> Iterator[Finding]:
    if not are_recorded_weights(evidence) or not evidence.log.records:
        return
    columns, records = evidence.log.columns, evidence.log.records
    for term, declared in _weights(evidence).items():
        tag = evidence.binding.tags.get(term, "")
        blocks = list(columns[tag].blocks()) if tag in columns else []
        found = np.concatenate([np.zeros(0), *blocks])
        other = found[_differs(found, declared, evidence)]
        if len(other):
            yield _other_weight(evidence, term, declared, other)
        if len(found) < records:
            yield _no_weight(evidence, term, records - len(found))


def _weights(evidence: LogEvidence) -> dict[str, float]:
    """The declared weights of the terms that stand in the formula once, times a number."""
    coefficients = evidence.binding.form.coefficients
    within = [{n for atom, _ in monomial for n in names(atom)} for monomial, _ in coefficients]
    found = {}
    for monomial, coefficient in coefficients:
        match monomial:
            case ((Name(term), 1),) if sum(term in w for w in within) == 1:
                found[term] = float(coefficient)
    return found


def _differs(found: Floats, declared: float, evidence: LogEvidence) -> Bools:
    """Which of the recorded weights, shape (N,), rounding does not explain; NaN differs."""
    operations = 2 * (len(evidence.binding.form.coefficients) + 1)
    unit = np.full(len(found), FORMATS[evidence.binding.dtype].unit_roundoff)
    for name in ("float16", "bfloat16"):
        coarse = FORMATS[name].unit_roundoff
        unit = np.where(FORMATS[name].holds(found), np.maximum(unit, coarse), unit)
    bounds = np.array([gamma(operations, float(u)) for u in unit])
    return np.asarray(~(np.abs(found - declared) <= bounds * abs(declared)))


def _other_weight(evidence: LogEvidence, term: str, declared: float, other: Floats) -> Finding:
    low, high = float(other.min()), float(other.max())
    weight = f"{low:.7g} to {high:.7g}" if low < high else f"{low:.7g}"  # NaN: once
    rows = f"{len(other):,} of {evidence.log.records:,} recorded steps"
    message = (
        f"autograd weighs {in_backquotes(term)} with {weight} on {rows}, not with the declared "
        f"{declared:.7g}: the network is not trained with the formula that the total follows"
    )
    facts = {"term": term, "declared": declared, "low": low, "high": high, "steps": len(other)}
    return _finding(Severity.ERROR, message, evidence, facts)


def _no_weight(evidence: LogEvidence, term: str, lacking: int) -> Finding:
    rows = f"{lacking:,} of {evidence.log.records:,} recorded steps"
    message = (
        f"autograd found no way from the total to {in_backquotes(term)} on {rows}: it is detached "
        "and trains nothing, or the recorder was given another tensor than the total's"
    )
    return _finding(Severity.WARNING, message, evidence, {"term": term, "steps": lacking})


def _finding(
    severity: Severity, message: str, evidence: LogEvidence, facts: dict[str, object]
) -> Finding:
    where = Location(evidence.log.source)
    return Finding(CHECK.name, severity, message, location=where, evidence=facts)


CHECK = Check(
    "effective-weight",
    "autograd used another weight than the declared one, or none",
    Severity.ERROR,
    _run,
)
