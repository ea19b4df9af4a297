"""Formula tree + columns -> values, each with the bound on its rounding."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from lossaudit.numerics.bounded import Arithmetic, Bounded
from lossaudit.spec.tree import (
    Call,
    Expr,
    Name,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Where,
    to_float,
)


def evaluate(expr: Expr, columns: Mapping[str, Bounded], arithmetic: Arithmetic) -> Bounded:
    """Evaluate a formula on columns.

    Args:
        expr: without families, parameters already replaced by numbers.
        columns: by name, all of shape (N,); `step` and `epoch` among them where they are used.
        arithmetic: the training dtype and what an aggregate adds.

    Returns:
        Value and bound per row, shape (N,), or scalars for a formula without names.

    Raises:
        KeyError: if a name has no column.
    """
    # a nested function that calls itself would keep the columns until Python looks for cycles
    go = partial(evaluate, columns=columns, arithmetic=arithmetic)
    match expr:
        case Number(value, _):
            return arithmetic.constant(to_float(value), exact=value.denominator == 1)
        case Name(name):
            return columns[name]
        case Sum(addends):
            return arithmetic.add([go(a) for a in addends], sum(map(_is_zero, addends)))
        case Product(factors):
            product = go(factors[0])
            for factor in factors[1:]:
                product = arithmetic.multiply(product, go(factor))
            return product
        case Negation(operand):
            return arithmetic.negate(go(operand))
        case Quotient(numerator, denominator):
            return arithmetic.divide(go(numerator), go(denominator))
        case Power(base, exponent):
            return arithmetic.power(go(base), float(exponent.value))
        case Where(condition, chosen, otherwise):
            chooses = arithmetic.select(condition.operator, go(condition.left), go(condition.right))
            return arithmetic.where(*chooses, go(chosen), go(otherwise))
        case Call(function, arguments):
            return _call(function, [go(a) for a in arguments], arithmetic)
    raise TypeError(f"{type(expr).__name__} cannot be evaluated")


def _is_zero(addend: Expr) -> bool:
    match addend:
        case Number(value, _):
            return value == 0
        case Negation(operand):
            return _is_zero(operand)
        case Product(factors):
            return any(_is_zero(f) for f in factors)
    return False


def _call(function: str, arguments: list[Bounded], arithmetic: Arithmetic) -> Bounded:
    if function == "abs":
        return arithmetic.absolute(arguments[0])
    if function in ("min", "max"):
        return arithmetic.extreme(arguments, largest=function == "max")
    return arithmetic.monotone(function, arguments[0])
