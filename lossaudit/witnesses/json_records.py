"""What the readers of JSON share: lenient parsing, and the numbers of one object by tag."""

from __future__ import annotations

import json
import math
from typing import Any

from lossaudit.witnesses.columns import PART_KEYS, other_part, parse_number

DEEPEST = 64
"""Objects and lists may be nested this deep in a record."""

LONGEST_INTEGER = 4300
"""Digits of an integer; Python itself refuses more, since their conversion takes quadratic time."""


class RefusedError(Exception):
    """A record, or a text, that cannot be used; the message says why."""


class MalformedError(RefusedError):
    """Text that is not JSON.

    Attributes:
        reason: what the parser expected, for example "Expecting value".
        line: where it stopped, from 1.
        column: where in that line, from 1.
    """

    def __init__(self, reason: str, line: int = 1, column: int = 1) -> None:
        self.reason, self.line, self.column = reason, line, column
        super().__init__(f"not JSON: {reason} at column {column}")


class _Repeating(dict[str, Any]):
    """An object in which a key stands twice."""

    key: str


class _LongInteger:
    """Stands for an integer of too many digits."""

    def __init__(self, digits: int) -> None:
        self.digits = digits


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {_printable(key): value for key, value in pairs}
    if len(found) == len(pairs):
        return found
    repeating, keys = _Repeating(found), [_printable(key) for key, _ in pairs]
    repeating.key = next(key for key in found if keys.count(key) > 1)
    return repeating


def _printable(key: str) -> str:
    """The key with "?" for lone surrogates, which no file or terminal can take."""
    return key if key.isascii() else key.encode("utf-8", "replace").decode()


def _integer(text: str) -> float | _LongInteger:
    digits = len(text.lstrip("-"))
    return float(text) if digits <= LONGEST_INTEGER else _LongInteger(digits)


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer)
"""Accepts NaN and infinities, and keeps repeated keys and huge integers for `numbers_of`."""


def parse_json(text: str) -> Any:
    """The value of a JSON text; NaN, Infinity and -Infinity are numbers, 1e400 is infinite.

    Raises:
        MalformedError: if it is not JSON.
        RefusedError: if it is nested too deeply.
    """
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedError(error.msg, error.lineno, error.colno) from None
    except RecursionError:
        raise RefusedError("JSON that is nested too deeply") from None


_PLAIN = frozenset((float, int))


def _is_plain(record: dict[str, Any]) -> bool:
    """Whether all values are numbers that float64 holds, which spares looking at each."""
    if not _PLAIN.issuperset(map(type, record.values())):
        return False
    try:
        math.fsum(record.values())
    except (OverflowError, ValueError):  # an integer beyond float64; infinities of both signs
        return False
    return True


def numbers_of(record: dict[str, Any]) -> tuple[dict[str, float], int]:
    """The numbers of one object, those of inner objects under "outer.inner".

    Strings that hold a number are numbers; booleans, null, other strings and lists are not. A
    record that says it is of another part than training has its part before its tags: "val/loss".

    Returns:
        {tag: number}, and how many quotation marks the object's text holds unless a key is
        repeated or a string has an escaped one.

    Raises:
        RefusedError: if a tag occurs twice, an integer is too long or the nesting too deep.
    """
    if type(record) is dict and _is_plain(record):
        return record, 2 * len(record)
    numbers: dict[str, float] = {}
    quotes, inner, part = 0, [("", record, DEEPEST)], ""
    while inner:
        prefix, found, depth = inner.pop()
        if type(found) is _Repeating:
            raise RefusedError(f"key {prefix + found.key!r} stands twice in one object")
        quotes += 2 * len(found)
        for key, value in found.items():
            kind = type(value)
            if kind is str:
                quotes += 2
                number = parse_number(value)
                if number is None and not prefix and key in PART_KEYS:
                    part = part or other_part(key, value)
            elif kind is float:
                number = value
            elif kind is bool or value is None:
                continue
            elif kind is dict or kind is _Repeating:
                if depth == 0:
                    raise RefusedError(f"objects nested more than {DEEPEST} deep")
                inner.append((f"{prefix}{key}.", value, depth - 1))
                continue
            else:
                number, marks = _other(value)
                quotes += marks
            if number is not None:
                if prefix and prefix + key in numbers:
                    raise RefusedError(f"key {prefix + key!r} stands twice in one object")
                numbers[prefix + key] = number
    if part:
        numbers = {f"{part}/{tag}": number for tag, number in numbers.items()}
    return numbers, quotes


def _other(value: Any) -> tuple[float | None, int]:
    """The number that an integer is, and how many quotation marks a list holds."""
    if isinstance(value, _LongInteger):
        raise RefusedError(f"an integer of {value.digits:,} digits")
    if isinstance(value, int):
        try:
            return float(value), 0
        except OverflowError:
            return (math.inf if value > 0 else -math.inf), 0
    return None, _marks(value, DEEPEST)


def _marks(value: Any, depth: int) -> int:
    """Quotation marks in the text of a value inside a list."""
    if isinstance(value, str):
        return 2
    if not isinstance(value, list | dict):
        return 0
    if depth == 0:
        raise RefusedError(f"lists nested more than {DEEPEST} deep")
    if isinstance(value, list):
        return sum(_marks(item, depth - 1) for item in value)
    return 2 * len(value) + sum(_marks(item, depth - 1) for item in value.values())


def _within(value: Any) -> list[Any]:
    """A document, and what lies one or two objects deep in it."""
    level, found = [value], [value]
    for _ in range(2):
        level = [v for outer in level if isinstance(outer, dict) for v in outer.values()]
        found += level
    return found


def longest_list(value: Any) -> list[Any] | None:
    """The list with the most objects that a document is or holds, or None."""
    lists = [v for v in _within(value) if isinstance(v, list)]
    counts = [sum(isinstance(item, dict) for item in v) for v in lists]
    return lists[counts.index(max(counts))] if any(counts) else None


def other_lists(value: Any, chosen: list[Any]) -> list[int]:
    """How many objects the document's other lists have that share a key with the chosen one."""
    keys = {key for item in chosen if isinstance(item, dict) for key in item}
    others = [v for v in _within(value) if isinstance(v, list) and v is not chosen]
    counts = (sum(isinstance(i, dict) and bool(keys & i.keys()) for i in v) for v in others)
    return [count for count in counts if count]


def largest_arrays(value: Any) -> dict[str, list[Any]] | None:
    """The object whose arrays of numbers hold the most numbers, without its other keys, or None.

    An object with single numbers beside its arrays is a record, and does not count.
    """
    best: dict[str, list[Any]] = {}
    for found in _within(value):
        if isinstance(found, dict) and not any(is_number(v) for v in found.values()):
            arrays = {
                k: v for k, v in found.items() if isinstance(v, list) and any(map(is_number, v))
            }
            best = max(best, arrays, key=lambda a: sum(map(len, a.values())))
    return best or None


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
