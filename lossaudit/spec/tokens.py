"""Formula text -> its words: numbers, names, tags in backquotes and operators."""

from __future__ import annotations

import re

from msgspec import Struct

from lossaudit.errors import FormulaError
from lossaudit.spec.tree import FUNCTIONS

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<quoted>`[^`\x00-\x1f\x7f-\x9f]+`)
  | (?P<operator>\*\*|<=|>=|==|!=|[-+*/()<>,])
  | (?P<end>\Z)
    )""",
    re.VERBOSE,
)


class Token(Struct, frozen=True):
    """One word of a formula.

    Attributes:
        kind: number, name, quoted, operator, or end, which has no text.
        text: as it stands there, backquotes included.
        column: its offset in the formula.
    """

    kind: str
    text: str
    column: int


def tokens_of(text: str) -> list[Token]:
    """The words of a formula; the last is its end.

    Raises:
        FormulaError: at the first character that begins no word.
    """
    tokens: list[Token] = []
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise FormulaError(
                f"{text[start]!r} is not part of the formula language",
                text,
                start,
                expected="numbers, names, + - * / **, parentheses, and "
                + ", ".join(sorted(FUNCTIONS)),
                hint="put a tag that is no plain identifier in backquotes: `train/loss`",
            )
        kind = match.lastgroup
        tokens.append(Token(kind, match[kind], match.start(kind)))
        if kind == "end":
            return tokens
        position = match.end()
