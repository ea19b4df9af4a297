"""Tree -> formula text that parses to the same tree."""

from __future__ import annotations

from lossaudit.spec.tree import (
    FUNCTIONS,
    Call,
    Comparison,
    Expr,
    Family,
    Name,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Where,
)


def render(expr: Expr, parent: int = 0) -> str:
    """Formula text that parses to the same tree."""
    text, level = _rendered(expr)
    return f"({text})" if level < parent else text


def _rendered(expr: Expr) -> tuple[str, int]:
    """(text, binding strength): 0 comparison, 1 sum, 2 product, 3 negation, 4 power, 5 atom."""
    match expr:
        case Number(value, text):
            return text, 5 if value >= 0 else 3
        case Name(name):
            return render_name(name), 5
        case Family(globs):
            return f"sum({', '.join(f'`{g}`' for g in globs)})", 5
        case Sum(addends):
            text = render(addends[0], 2)  # a sum in front keeps its parentheses
            for addend in addends[1:]:
                negated = isinstance(addend, Negation)
                inner = addend.operand if isinstance(addend, Negation) else addend
                text += f" {'-' if negated else '+'} {render(inner, 2)}"
            return text, 1
        case Product(factors):
            first = render(factors[0], 3 if isinstance(factors[0], Product) else 2)
            return "*".join([first, *(render(f, 3) for f in factors[1:])]), 2
        case Quotient(left, right):
            return f"{render(left, 2)}/{render(right, 3)}", 2
        case Negation(operand):
            return f"-{render(operand, 4)}", 3
        case Power(base, exponent):
            return f"{render(base, 5)}**{render(exponent, 3)}", 4
        case Call(function, arguments):
            return f"{function}({', '.join(map(render, arguments))})", 5
        case Comparison(operator, left, right):
            return f"{render(left, 1)} {operator} {render(right, 1)}", 0
        case Where(condition, chosen, otherwise):
            return f"where({render(condition)}, {render(chosen)}, {render(otherwise)})", 5


def render_name(name: str) -> str:
    """A name as formulas write it: in backquotes unless it is a plain identifier."""
    plain = name.isidentifier() and name.isascii() and name not in FUNCTIONS
    return name if plain else f"`{name}`"
