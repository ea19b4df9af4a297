"""One value of a YAML file, what its text means, and which characters it must not hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct, field

from lossaudit.errors import Problem

LONGEST_NUMBER = 100

_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
DISPUTED = re.compile(r"[-+]?(?:0[xob][0-9a-fA-F_]+|0[0-9_]+|[0-9]+_[0-9_]*(?:\.[0-9_]*)?)")
_WORDS = {"": None, "~": None} | {
    form: value
    for word, value in {"true": True, "false": False, "null": None}.items()
    for form in (word, word.title(), word.upper())
}

Value: TypeAlias = "str | float | bool | list[Node] | dict[str, Node] | None"


class Node(Struct, frozen=True, eq=False):
    """One value of a file and where it stands.

    Attributes:
        value: text, a float, a bool, None, a list of nodes, or nodes by key.
        line, column: of its first character, from 1.
        text: a scalar as written, without its quotes.
        text_column: column of the text's first character; 0 where the text is folded over lines or
            holds escapes, so that an offset in it is no offset in the file.
        keys: line and column of each key of a mapping.
        broken: a problem has been reported for this value already.
    """

    value: Value
    line: int
    column: int
    text: str = ""
    text_column: int = 0
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    broken: bool = False

    def place(self, offset: int = 0) -> tuple[int, int]:
        """Line and column of the character `offset` of the text, or of the value's start."""
        return self.line, self.text_column + offset if self.text_column else self.column

    def find(self, *path: str) -> Node | None:
        """The node under these keys, or None."""
        node: Node | None = self
        for key in path:
            node = node.value.get(key) if node and isinstance(node.value, dict) else None
        return node


def unseen(text: str) -> Iterator[Problem]:
    """One problem per character that no editor shows; a newline may be written as CR LF."""
    bad = {c for c in set(text) - {"\n", "\t", "\r"} if is_unseen(c)}
    pattern = rf"\r(?!\n)|[{re.escape(''.join(bad))}]" if bad else r"\r(?!\n)"
    for match in re.finditer(pattern, text):
        before = text[: match.start()]
        line, column = before.count("\n") + 1, match.start() - before.rfind("\n")
        yield unseen_problem(match.group(), (line, column))


def is_unseen(character: str) -> bool:
    """Whether no editor shows the character."""
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in "\ufffe\uffff"


def unseen_problem(character: str, at: tuple[int, int]) -> Problem:
    """The refusal of such a character."""
    name = unicodedata.name(character, "")
    shown = f"U+{ord(character):04X}" + (f" ({name})" if name else "")
    return Problem(f"the character {shown} is refused: it cannot be seen", *at, hint="delete it")


def meaning(text: str) -> str | float | bool | None:
    """What a plain scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= LONGEST_NUMBER and _NUMBER.fullmatch(text) and not DISPUTED.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _SPECIAL.fullmatch(text) else text
