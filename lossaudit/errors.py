"""Every exception that a user can mend, as one tree; anything else is our bug (exit 70).

    LossauditError
    ├── UsageError             the command line asks for something that cannot be      exit 2
    ├── SpecError              a spec has problems; all of them, with line and column  exit 2
    ├── FormulaError           a formula cannot be parsed; where in its text           exit 2
    └── InputError             an input cannot be opened or is refused                 exit 4

A damaged record inside a readable file is no exception: it is a `Damage`, and what could be read is
still audited.
"""

from __future__ import annotations

from typing import NamedTuple


class LossauditError(Exception):
    """Base of every error whose cause the user can mend.

    Args:
        message: one sentence that holds the offending value.
        where: `file:line` or another place, printed first; empty where there is none.
        expected: what would have been accepted.
        hint: a command or an edit to try.
    """

    exit_code = 2

    def __init__(
        self, message: str, *, where: str = "", expected: str = "", hint: str = ""
    ) -> None:
        self.message = message
        self.where = where
        self.expected = expected
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.hint:
            lines.append(f"  try: {self.hint}")
        return "\n".join(lines)


class UsageError(LossauditError):
    """The command line contradicts itself or names something unknown."""


class InputError(LossauditError):
    """An input cannot be opened, or is refused for safety."""

    exit_code = 4


class FormulaError(LossauditError):
    """A formula's text is outside the grammar.

    Args:
        message: what is wrong.
        text: the formula.
        column: offset of the offending character in `text`, from 0.
        expected, hint: as in `LossauditError`.
    """

    def __init__(
        self, message: str, text: str, column: int, *, expected: str = "", hint: str = ""
    ) -> None:
        self.text = text
        self.column = column
        super().__init__(message, expected=expected, hint=hint)

    def __str__(self) -> str:
        start = max(0, self.column - 50)
        shown = self.text[start : self.column + 30]
        shown = "".join(c if c.isprintable() else "?" for c in shown)
        pointer = " " * (self.column - start) + "^"
        head, *rest = super().__str__().split("\n")
        return "\n".join(
            [f"formula, column {self.column + 1}: {head}", f"  {shown}", f"  {pointer}", *rest]
        )


class Problem(NamedTuple):
    """One problem of a spec file; `line` and `column` count from 1."""

    message: str
    line: int
    column: int
    expected: str = ""
    hint: str = ""


class SpecError(LossauditError):
    """All problems of one spec file, in the order of their lines."""

    def __init__(self, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = sorted(problems, key=lambda p: (p.line, p.column))
        super().__init__(f"{len(problems)} problem(s) in {path}")

    def __str__(self) -> str:
        shown = (
            str(
                LossauditError(
                    p.message,
                    where=f"{self.path}:{p.line}:{p.column}",
                    expected=p.expected,
                    hint=p.hint,
                )
            )
            for p in self.problems
        )
        return "\n".join(shown)
