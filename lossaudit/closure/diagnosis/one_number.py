"""Formulas with one free number: the declared one times a factor, or plus a constant.

The number is the simplest one that every row allows. Where every row allows a factor of 1 or a
constant of 0 as well, such a number explains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from lossaudit.closure.diagnosis.candidates import Candidate
from lossaudit.closure.diagnosis.factor import Factors, Interval
from lossaudit.numerics.simplest import digits_of, simplest_number
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import Expr, Negation, Number, Product, Sum

PLAIN = 3
"""Significant digits up to which a factor is as likely as one that is known by a name."""


def one_number_candidates(spec: Spec, factors: Factors) -> list[Candidate]:
    """What a constant and a factor that all rows allow would mean; nothing where none is left.

    Args:
        spec: the declaration, which may say how many ranks and accumulation steps there were.
        factors: what all rows allow.
    """
    found = list[Candidate]()
    constant, factor = factors.constant, factors.factor
    if constant.is_possible and not constant.holds(0.0):
        found.append(_with_constant(factors.declared, constant))
    if factor.is_possible and not factor.holds(1.0):
        found += _with_factor(spec, factors.declared, factor)
    return found


def _with_constant(declared: Expr, constant: Interval) -> Candidate:
    value = simplest_number(constant.low, constant.high)
    size = _literal(abs(value))
    sign = "-" if value < 0 else "+"
    addends = declared.addends if isinstance(declared, Sum) else (declared,)
    expr = Sum((*addends, Negation(size) if value < 0 else size))
    said = f"a constant {sign}{size.text}{_between(constant)} is in the total and in no term"
    return Candidate("hidden-term", said, expr, {"low": constant.low, "high": constant.high})


def _with_factor(spec: Spec, declared: Expr, factor: Interval) -> Iterator[Candidate]:
    """A constant factor, by every name under which a loss is known to be multiplied or divided."""
    value = simplest_number(factor.low, factor.high)
    facts = {"low": factor.low, "high": factor.high, "factor": value}
    known = list(_known_factors(spec, factor))
    for check, number, said in known:
        expr = Product((_literal(number), declared))
        yield Candidate(check, said + _between(factor), expr, facts)
    if not known or (digits_of(value) <= PLAIN and value not in {n for _, n, _ in known}):
        literal = _literal(value)
        said = f"the total is {literal.text} x the formula{_between(factor)}"
        yield Candidate("scaled-log", said, Product((literal, declared)), facts)


def _known_factors(spec: Spec, factor: Interval) -> Iterator[tuple[str, float, str]]:
    """(check, factor, what it means) of each known factor that the rows allow."""
    counts = (
        ("accumulation-scale", spec.accumulation_steps, "accumulation steps"),
        ("rank-scale", spec.ranks, "ranks"),
    )
    for check, count, what in counts:
        if count is not None and count > 1:
            for number, verb in ((count, "multiplied"), (1 / count, "divided")):
                if factor.holds(number):
                    yield check, number, f"the total is {verb} by {count:g}, the number of {what}"
    for number, name in ((math.log(2), "ln 2"), (1 / math.log(2), "1 / ln 2")):
        if factor.holds(number):
            said = f"the total is {name} x the formula: one of them is in bits, the other in nats"
            yield "unit-change", number, said
    if factor.holds(2.0):
        yield "double-counted-term", 2.0, "the total is twice the formula"


def _literal(value: float) -> Number:
    """A number of a formula, in the fewest digits that mean it."""
    text = repr(value).removesuffix(".0")
    return Number(Fraction(text), text)


def _between(numbers: Interval) -> str:
    """The ends of an interval, where six digits tell them apart."""
    ends = f"{numbers.low:.6g}", f"{numbers.high:.6g}"
    return "" if ends[0] == ends[1] else f" ({ends[0]} to {ends[1]})"
