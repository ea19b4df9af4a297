"""Names of a formula that are weights of its terms, and that only a log can tell."""

from __future__ import annotations

from collections.abc import Iterator, Set

from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import RESERVED, Expr, Product, Quotient, Where, names, walk


def logged_weights(spec: Spec) -> frozenset[str]:
    """The weights of a formula and its rivals that are neither parameters nor defined.

    A name is one where it multiplies, divides or switches a term that has a definition, as `w` in
    `w*lip + lat`. What stands in the sum by itself alone is a term: its definition is missing.
    """
    defined = {n for n, d in spec.terms.items() if d.kind and d.prediction}
    trees = [spec.formula, *(expr for expr, _ in spec.rivals.values())]
    found = {n for tree in trees for node in walk(tree) for n in _weighing(node, defined)}
    return frozenset(found - spec.terms.keys() - spec.parameters.keys() - RESERVED)


def _weighing(node: Expr, defined: Set[str]) -> Iterator[str]:
    """Names in this node that act on a defined term in another operand of it."""
    match node:
        case Product(factors):
            parts = [names(f) for f in factors]
            for i, part in enumerate(parts):
                if any(other & defined for j, other in enumerate(parts) if j != i):
                    yield from part
        case Quotient(numerator, denominator):
            if names(numerator) & defined:
                yield from names(denominator)
        case Where(condition, chosen, otherwise):
            if (names(chosen) | names(otherwise)) & defined:
                yield from names(condition)
