"""`lossaudit diff`: do two runs optimise the same loss? Certified weights against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lossaudit.model.balance import Share
from lossaudit.model.comparison import ComparedTerm, Comparison
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result, Weight, Witness


def compare_runs(first: Result, second: Result) -> Comparison:
    """Compare two results by their certified weights.

    The runs are told apart where the certified intervals of a weight do not meet: no weight fits
    both logs. They are the same where each log follows its own formula, both declare the same
    weights, and all intervals meet. Anything else is undecided, with the reason.
    """
    a, b = _weighed(first), _weighed(second)
    if a is None or b is None:
        which = "first" if a is None else "second"
        return Comparison(Verdict.INCONCLUSIVE, f"the {which} result has no certified weights", ())
    names = [*a.weights, *(n for n in b.weights if n not in a.weights)]
    terms = tuple(_term(name, a, b) for name in names)
    return Comparison(*_judge(a, b, terms), terms)


def _weighed(result: Result) -> Witness | None:
    """The witness that knows most: one that passed before one that did not."""
    known = [w for w in result.witnesses if w.weights]
    return min(known, key=lambda w: (w.verdict is not Verdict.PASS, -w.decided), default=None)


def _term(name: str, a: Witness, b: Witness) -> ComparedTerm:
    first, second = a.weights.get(name), b.weights.get(name)
    shares = (_mean(a.shares.get(name)), _mean(b.shares.get(name)))
    return ComparedTerm(name, first, second, shares, *_meeting((first, a), (second, b)))


def _mean(share: Share | None) -> float | None:
    return None if share is None else share.mean


def _meeting(
    first: tuple[Weight | None, Witness], second: tuple[Weight | None, Witness]
) -> tuple[Verdict, str]:
    one, other = _interval(*first), _interval(*second)
    if one is None or other is None:
        return Verdict.INCONCLUSIVE, "a weight is not certified"
    if one[1] < other[0] or other[1] < one[0]:
        return Verdict.FAIL, "no weight fits both runs"
    declared = [0.0 if weight is None else weight.declared for weight, _ in (first, second)]
    if declared[0] != declared[1]:
        return Verdict.INCONCLUSIVE, "declared differently, and the logs cannot tell which is right"
    return Verdict.PASS, "the same"


def _interval(weight: Weight | None, witness: Witness) -> tuple[float, float] | None:
    """The certified weights; exactly 0 for a term that a formula which holds does without."""
    if weight is None:
        return (0.0, 0.0) if witness.verdict is Verdict.PASS else None
    if weight.low is None or weight.high is None:
        return None
    return weight.low, weight.high


def _judge(a: Witness, b: Witness, terms: Sequence[ComparedTerm]) -> tuple[Verdict, str]:
    apart = [t.name for t in terms if t.verdict is Verdict.FAIL]
    if apart:
        listed = ", ".join(f"`{name}`" for name in apart)
        plural = "s" if len(apart) > 1 else ""
        return Verdict.FAIL, f"the runs optimise different losses: the weight{plural} of {listed}"
    unsure = [f"`{t.name}`: {t.says}" for t in terms if t.verdict is Verdict.INCONCLUSIVE]
    unsure += list(_refuted(a, b))
    if unsure:
        return Verdict.INCONCLUSIVE, f"it cannot be told: {'; '.join(unsure)}"
    return Verdict.PASS, "both runs optimise the same loss, as far as their logs can tell"


def _refuted(a: Witness, b: Witness) -> Iterator[str]:
    for place, witness in (("first", a), ("second", b)):
        if witness.verdict is not Verdict.PASS:
            yield f"the {place} run's own audit is {witness.verdict.value}"
