"""`lossaudit diff`: do two runs optimise the same loss? Certified weights against each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from lossaudit.model.balance import Share
from lossaudit.model.comparison import ComparedTerm, Comparison
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result, Weight, Witness

_FACTOR = re.compile(r"`[^`]+`|[A-Za-z_]\w*")
_PRODUCT = re.compile(rf"(?:{_FACTOR.pattern})(?:\*(?:{_FACTOR.pattern}))*")


def compare_runs(first: Result, second: Result) -> Comparison:
    """Compare two results by their certified weights.

    The runs are told apart where the certified intervals of a weight do not meet: no weight fits
    both logs. They are the same where each log follows its own formula, both declare the same
    weights, and all intervals meet. Anything else is undecided, with the reason.

    A term that one formula does without has weight 0 there, unless each has terms that the other
    lacks and these may be the same numbers under other names, or other functions of the same.
    """
    a, b = _weighed(first), _weighed(second)
    if a is None or b is None:
        which = "first" if a is None else "second"
        return Comparison(Verdict.INCONCLUSIVE, f"the {which} result has no certified weights", ())
    names = [*a.weights, *(n for n in b.weights if n not in a.weights)]
    renamed = _renamed(a, b)
    terms = tuple(_term(name, a, b, name in renamed) for name in names)
    return Comparison(*_judge(a, b, terms), terms)


def _weighed(result: Result) -> Witness | None:
    """The witness that knows most: one that passed before one that did not."""
    known = [w for w in result.witnesses if w.weights]
    return min(known, key=lambda w: (w.verdict is not Verdict.PASS, -w.decided), default=None)


def _renamed(a: Witness, b: Witness) -> set[str]:
    """Terms of one formula alone that may be those of the other under other names.

    Products of terms that both know are not: `lat*lat` is no `lat`. `abs(lat)` may well be.
    """
    only_a, only_b = set(a.weights) - set(b.weights), set(b.weights) - set(a.weights)
    if not only_a or not only_b:
        return set()
    shared = _factors(a.weights) & _factors(b.weights)
    either = only_a | only_b
    products = all(_PRODUCT.fullmatch(name) and _factors([name]) <= shared for name in either)
    return set() if products else either


def _factors(names: Iterable[str]) -> set[str]:
    """The factors of those terms that are products."""
    return {f for name in names if _PRODUCT.fullmatch(name) for f in _FACTOR.findall(name)}


def _term(name: str, a: Witness, b: Witness, is_renamed: bool) -> ComparedTerm:
    first, second = a.weights.get(name), b.weights.get(name)
    shares = (_mean(a.shares.get(name)), _mean(b.shares.get(name)))
    if is_renamed:
        which = "first" if second is None else "second"
        told = (Verdict.INCONCLUSIVE, f"in the {which} formula alone")
    else:
        told = _meeting((first, a), (second, b))
    return ComparedTerm(name, first, second, shares, *told)


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
        for place, number, own in zip(("first", "second"), declared, (one, other), strict=True):
            if not own[0] <= number <= own[1]:
                says = f"the {place} run's log allows {_between(own)}, not {number:g} as declared"
                return Verdict.INCONCLUSIVE, says
        return Verdict.INCONCLUSIVE, "declared differently, and the logs cannot tell which is right"
    return Verdict.PASS, "the same"


def _between(interval: tuple[float, float]) -> str:
    low, high = (f"{bound:.6g}" for bound in interval)
    return f"{low} to {high}" if low != high else low


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
        plural = "s" if len(apart) > 1 else ""
        return (
            Verdict.FAIL,
            f"the runs optimise different losses: the weight{plural} of {_listed(apart)}",
        )
    renamed = _renamed(a, b)
    undecided = (t for t in terms if t.verdict is Verdict.INCONCLUSIVE and t.name not in renamed)
    unsure = [f"`{t.name}`: {t.says}" for t in undecided]
    if renamed:
        only_a, only_b = (_listed(n for n in w.weights if n in renamed) for w in (a, b))
        unsure.append(f"{only_a} of the first formula may be {only_b} of the second, otherwise put")
    unsure += list(_refuted(a, b))
    if unsure:
        return Verdict.INCONCLUSIVE, f"it cannot be told: {'; '.join(unsure)}"
    return Verdict.PASS, "both runs optimise the same loss, as far as their logs can tell"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _refuted(a: Witness, b: Witness) -> Iterator[str]:
    for place, witness in (("first", a), ("second", b)):
        if witness.verdict is not Verdict.PASS:
            yield f"the {place} run's own audit is {witness.verdict.value}"
