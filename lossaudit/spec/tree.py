"""The formula as a tree of frozen values, and what can be asked of it without a log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction

from msgspec import Struct

RESERVED = frozenset({"step", "epoch"})
"""Names that mean the row's own step and epoch."""

FUNCTIONS = frozenset({"min", "max", "abs", "exp", "log", "sqrt", "where", "sum"})


class Number(Struct, frozen=True):
    """A literal; `value` is exactly what its decimal text says."""

    value: Fraction
    text: str


class Name(Struct, frozen=True):
    """A term, a parameter, a weight that is logged, or `step` and `epoch`."""

    name: str


class Family(Struct, frozen=True):
    """sum(`glob`, `!excluded`): all tags of a log that match; resolved once the log is known."""

    globs: tuple[str, ...]


class Sum(Struct, frozen=True):
    """Addends, two or more."""

    addends: tuple[Expr, ...]


class Product(Struct, frozen=True):
    """Factors, two or more."""

    factors: tuple[Expr, ...]


class Quotient(Struct, frozen=True):
    """numerator / denominator."""

    numerator: Expr
    denominator: Expr


class Negation(Struct, frozen=True):
    """-operand."""

    operand: Expr


class Power(Struct, frozen=True):
    """base ** exponent, the exponent a number."""

    base: Expr
    exponent: Number


class Call(Struct, frozen=True):
    """min, max, abs, exp, log or sqrt of its arguments."""

    function: str
    arguments: tuple[Expr, ...]


class Comparison(Struct, frozen=True):
    """left OP right, only as the condition of a `Where`; OP is one of < <= > >= == !=."""

    operator: str
    left: Expr
    right: Expr


class Where(Struct, frozen=True):
    """where(condition, chosen, otherwise)."""

    condition: Comparison
    chosen: Expr
    otherwise: Expr


Expr = (
    Number | Name | Family | Sum | Product | Quotient | Negation | Power | Call | Comparison | Where
)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct operands of a node, in reading order."""
    match expr:
        case Sum(parts) | Product(parts) | Call(_, parts):
            return parts
        case Quotient(left, right) | Comparison(_, left, right):
            return (left, right)
        case Negation(operand):
            return (operand,)
        case Power(base, exponent):
            return (base, exponent)
        case Where(condition, chosen, otherwise):
            return (condition, chosen, otherwise)
        case _:
            return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """Every node, a parent before its children."""
    stack = [expr]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))


def depth(expr: Expr) -> int:
    """Nodes on the longest path from the root to a leaf."""
    deepest, level = 0, [expr]
    while level:
        deepest, level = deepest + 1, [c for node in level for c in children(node)]
    return deepest


def names(expr: Expr) -> frozenset[str]:
    """Every name in the formula: terms, parameters, `step` and `epoch`; not those of families."""
    return frozenset(n.name for n in walk(expr) if isinstance(n, Name))


def ordered_names(expr: Expr) -> tuple[str, ...]:
    """The names of terms and logged weights, in reading order, without `step` and `epoch`."""
    found = dict.fromkeys(n.name for n in walk(expr) if isinstance(n, Name))
    return tuple(n for n in found if n not in RESERVED)


def families(expr: Expr) -> tuple[Family, ...]:
    """Every family in the formula, in reading order."""
    return tuple(n for n in walk(expr) if isinstance(n, Family))


def rebuild(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """A new tree in which `change` has been applied to every node, children first."""

    def go(node: Expr) -> Expr:
        match node:
            case Sum(parts):
                node = Sum(tuple(map(go, parts)))
            case Product(parts):
                node = Product(tuple(map(go, parts)))
            case Quotient(left, right):
                node = Quotient(go(left), go(right))
            case Negation(operand):
                node = Negation(go(operand))
            case Power(base, exponent):
                node = Power(go(base), exponent)
            case Call(function, parts):
                node = Call(function, tuple(map(go, parts)))
            case Comparison(operator, left, right):
                node = Comparison(operator, go(left), go(right))
            case Where(condition, chosen, otherwise):
                tested = go(condition)
                assert isinstance(tested, Comparison)
                node = Where(tested, go(chosen), go(otherwise))
            case _:
                pass
        return change(node)

    return go(expr)


def number(value: float | Fraction) -> Number:
    """A literal of exactly that value; the shortest decimal that means a float is its text."""
    if isinstance(value, Fraction):
        return Number(value, repr(to_float(value)))
    return Number(Fraction(repr(value)), repr(value))


def to_float(value: Fraction) -> float:
    """The nearest float64, infinite beyond its range."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def substitute(expr: Expr, replacements: Mapping[str, Expr]) -> Expr:
    """The formula with names replaced."""

    def swap(node: Expr) -> Expr:
        return replacements.get(node.name, node) if isinstance(node, Name) else node

    return rebuild(expr, swap) if replacements else expr


def expand_families(expr: Expr, members: Callable[[Family], tuple[str, ...]]) -> Expr:
    """The formula with each family replaced by the sum of its members, 0 where it has none."""

    def swap(node: Expr) -> Expr:
        if not isinstance(node, Family):
            return node
        found = tuple(Name(tag) for tag in members(node))
        return Sum(found) if len(found) > 1 else found[0] if found else number(Fraction(0))

    return rebuild(expr, swap)


def term_names(trees: Iterable[Expr]) -> list[str]:
    """Every name but `step` and `epoch`, in the order of the formulas."""
    found = (node.name for tree in trees for node in walk(tree) if isinstance(node, Name))
    return [name for name in dict.fromkeys(found) if name not in RESERVED]
