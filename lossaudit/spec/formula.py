"""Formula text -> tree. A grammar of our own; nothing of the text is ever executed.

comparison  sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)?     only inside where()
sum         product (("+" | "-") product)*
product     unary (("*" | "/") unary)*
unary       "-" unary | power
power       atom ("**" ["-"] number)?
atom        number | name | `any tag` | function "(" arguments ")" | "(" sum ")"
"""

from __future__ import annotations

import math
from fractions import Fraction

from lossaudit.errors import FormulaError
from lossaudit.spec.tokens import Token, tokens_of
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
    depth,
)

LONGEST = 1 << 18
DEEPEST = 60
DEEPEST_TREE = 200
LARGEST_EXPONENT = 64

_ARITY = {
    "abs": (1, 1),
    "exp": (1, 1),
    "log": (1, 1),
    "sqrt": (1, 1),
    "min": (2, 64),
    "max": (2, 64),
}


def parse_formula(text: str) -> Expr:
    """Parse an expression over terms.

    Args:
        text: for example "2.0*loss_lip + loss_latents" or "a + where(step < 1000, 0, 0.1)*gan".

    Returns:
        The tree; sums and products are flat, so that 20,000 terms are no deeper than two.

    Raises:
        FormulaError: with the offset of the first character that does not fit the grammar; also
            where nesting is deeper than 60 (200 operations), or the text longer than 256 KiB.
    """
    if len(text) > LONGEST:
        raise FormulaError(f"{len(text):,} characters are too long", text, LONGEST)
    return _Parser(text, tokens_of(text)).whole()


class _Parser:
    """Recursive descent with a bounded depth; one token of look-ahead."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.index = 0
        self.depth = 0

    def whole(self) -> Expr:
        expr = self.sum()
        if self.here.kind != "end":
            raise self.error("an operator or the end")
        if depth(expr) > DEEPEST_TREE:
            message = f"operations nested deeper than {DEEPEST_TREE}"
            raise FormulaError(message, self.text, 0)
        return expr

    @property
    def here(self) -> Token:
        return self.tokens[self.index]

    def take(self, *operators: str) -> Token | None:
        token = self.here
        if token.kind == "operator" and token.text in operators:
            self.index += 1
            return token
        return None

    def demand(self, operator: str) -> None:
        if not self.take(operator):
            raise self.error(f'"{operator}"')

    def error(self, expected: str, message: str = "") -> FormulaError:
        token = self.here
        found = f"{token.text!r} does not fit here" if token.text else "the formula ends too early"
        return FormulaError(message or found, self.text, token.column, expected=expected)

    def sum(self) -> Expr:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error("", f"nested deeper than {DEEPEST}")
        addends = [self.product()]
        while operator := self.take("+", "-"):
            addend = self.product()
            addends.append(Negation(addend) if operator.text == "-" else addend)
        self.depth -= 1
        return Sum(tuple(addends)) if len(addends) > 1 else addends[0]

    def product(self) -> Expr:
        factors = [self.unary()]
        while operator := self.take("*", "/"):
            factor = self.unary()
            if operator.text == "*":
                factors.append(factor)
            else:
                left = Product(tuple(factors)) if len(factors) > 1 else factors[0]
                self.check_depth_of_quotients(left)
                factors = [Quotient(left, factor)]
        return Product(tuple(factors)) if len(factors) > 1 else factors[0]

    def check_depth_of_quotients(self, expr: Expr) -> None:
        depth = 0
        while isinstance(expr, Quotient | Product):
            expr = expr.numerator if isinstance(expr, Quotient) else expr.factors[0]
            depth += 1
        if depth > DEEPEST:
            raise self.error("", f"more than {DEEPEST} divisions in a row")

    def unary(self) -> Expr:
        signs = 0
        while self.take("-"):
            signs += 1
        operand = self.power()
        return Negation(operand) if signs % 2 else operand

    def power(self) -> Expr:
        base = self.atom()
        if not self.take("**"):
            return base
        sign = "-" if self.take("-") else ""
        token = self.here
        if token.kind != "number":
            raise self.error("a number as exponent", "an exponent must be a number")
        self.index += 1
        exponent = self.number(token, sign)
        if abs(exponent.value) > LARGEST_EXPONENT:
            self.index -= 1
            raise self.error(f"at most {LARGEST_EXPONENT}", f"exponent {token.text} is too large")
        if self.take("**"):
            self.index -= 1
            raise self.error("parentheses", "powers of powers need parentheses")
        return Power(base, exponent)

    def number(self, token: Token, sign: str = "") -> Number:
        if len(token.text) > 60 or not math.isfinite(float(token.text)):
            raise FormulaError(f"number {token.text[:20]} is out of range", self.text, token.column)
        return Number(Fraction(sign + token.text), sign + token.text)

    def atom(self) -> Expr:
        token = self.here
        if token.kind == "number":
            self.index += 1
            return self.number(token)
        if token.kind == "quoted":
            self.index += 1
            return Name(token.text[1:-1])
        if token.kind == "name":
            self.index += 1
            if token.text in FUNCTIONS:
                return self.call(token)
            return Name(token.text)
        if self.take("("):
            inner = self.sum()
            self.demand(")")
            return inner
        raise self.error("a number, a name or (")

    def call(self, token: Token) -> Expr:
        self.demand("(")
        if token.text == "sum":
            return self.family()
        if token.text == "where":
            return self.where()
        arguments = [self.sum()]
        while self.take(","):
            arguments.append(self.sum())
        self.demand(")")
        low, high = _ARITY[token.text]
        if not low <= len(arguments) <= high:
            message = f"{token.text}() has {len(arguments)} argument(s)"
            wanted = str(low) if low == high else f"{low} or more"
            raise FormulaError(message, self.text, token.column, expected=wanted)
        return Call(token.text, tuple(arguments))

    def family(self) -> Expr:
        globs = []
        while self.here.kind == "quoted":
            globs.append(self.here.text[1:-1])
            self.index += 1
            if not self.take(","):
                break
        if not globs or all(g.startswith("!") for g in globs):
            raise self.error("tags or globs in backquotes: sum(`loss_*`, `!loss_scale`)")
        self.demand(")")
        return Family(tuple(globs))

    def where(self) -> Expr:
        left = self.sum()
        operator = self.take("<", "<=", ">", ">=", "==", "!=")
        if operator is None:
            raise self.error("a comparison such as step < 1000")
        condition = Comparison(operator.text, left, self.sum())
        self.demand(",")
        chosen = self.sum()
        self.demand(",")
        otherwise = self.sum()
        self.demand(")")
        return Where(condition, chosen, otherwise)
