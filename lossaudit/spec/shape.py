"""A spec file's nodes against its declaration in `schema`: every misfit with line and column."""

from __future__ import annotations

import math
import re
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from lossaudit.errors import Problem
from lossaudit.spec.file_layout import SpecFile
from lossaudit.spec.hints import did_you_mean, one_of
from lossaudit.spec.rule import Rule
from lossaudit.spec.yaml_nodes import Node


def read_spec_file(root: Node, problems: list[Problem]) -> SpecFile:
    """Check a file's nodes against `SpecFile`; what does not fit is a problem and left out.

    Args:
        root: the file, a mapping.
        problems: grows by every problem found.

    Returns:
        What fits; "" in place of a required text that is missing or wrong.
    """
    found: SpecFile = _record(root, SpecFile, "", problems)
    return found


_ABSENT: Any = object()


def _read(node: Node, kind: Any, where: str, problems: list[Problem]) -> Any:
    """The node's value as the type hint wants it, or `_ABSENT` with one or more problems."""
    if node.broken:
        return _ABSENT
    rule = Rule("")
    if get_origin(kind) is Annotated:
        kind, rule = get_args(kind)
    value = node.value
    if isinstance(kind, UnionType):
        kind = get_args(kind)[isinstance(value, dict)]
    if isinstance(value, dict) and is_dataclass(kind):
        return _record(node, kind, where + ".", problems)
    if isinstance(value, dict) and get_origin(kind) is dict:
        return _mapping(node, kind, where, problems)
    if get_origin(kind) is tuple and (isinstance(value, list) or rule.is_one_or_more):
        items = value if isinstance(value, list) else [node]
        if items or not rule.is_one_or_more:
            read = [_read(item, get_args(kind)[0], where, problems) for item in items]
            return tuple(item for item in read if item is not _ABSENT)
    elif _is_scalar(value, kind, rule):
        return value
    problems.append(_misfit(node, kind, rule, where))
    return _ABSENT


def _is_scalar(value: object, kind: Any, rule: Rule) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is str:
        return isinstance(value, str) and bool(re.fullmatch(rule.pattern, value))
    if kind is bool:
        return isinstance(value, bool)
    if kind is float and isinstance(value, float):
        if rule.is_count:
            return value >= 1 and value.is_integer()
        return 0 < value <= 1 if rule.is_share else math.isfinite(value)
    return False


def _misfit(node: Node, kind: Any, rule: Rule, where: str) -> Problem:
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    names = {str: "text", float: "a finite number", dict: "a mapping", tuple: "a list"}
    expected = rule.about or ", ".join(choices) or names.get(get_origin(kind) or kind, "a mapping")
    hint = ""
    if isinstance(node.value, str):
        hint = did_you_mean(node.value, choices)
        if kind is float and re.fullmatch(r"[0-9.]+", node.text):
            hint = f"{node.text} without quotes"
    elif kind is str and isinstance(node.value, float | bool):
        hint = f'"{node.text}" in quotes, if text is meant'
    return Problem(f"{where} is {_shown(node)}", *node.place(), expected=expected, hint=hint)


def _shown(node: Node) -> str:
    match node.value:
        case str():
            return f"the text {node.value[:60]!r}"
        case float():
            return f"the number {node.text}"
        case list():
            return "a list" if node.value else "an empty list"
        case dict():
            return "a mapping"
    return node.text or "empty"


def _mapping(node: Node, kind: Any, where: str, problems: list[Problem]) -> dict[str, Any]:
    key_kind, value_kind = get_args(kind)
    rule = get_args(key_kind)[1]
    found = {}
    assert isinstance(node.value, dict)
    for key, inner in node.value.items():
        value = _read(inner, value_kind, f"{where}.{key}", problems)
        if not re.fullmatch(rule.pattern, key):
            message = f"{where} has the key {key!r}"
            problems.append(Problem(message, *node.keys[key], expected=rule.about))
        elif value is not _ABSENT:
            found[key] = value
    return found


_hints = cache(get_type_hints)


def _record(node: Node, kind: Any, where: str, problems: list[Problem]) -> Any:
    hints = _hints(kind, include_extras=True)
    assert isinstance(node.value, dict)
    found = {f.name: "" for f in fields(kind) if f.default is f.default_factory is MISSING}
    for name in [name for name in found if name not in node.value]:
        rule = get_args(hints[name])[1]
        problems.append(Problem(f"{where}{name} is missing", *node.place(), expected=rule.about))
    for key, inner in node.value.items():
        if key not in hints:
            message = f"{where or 'the spec'} has the unknown key {key!r}".replace(". has", " has")
            known = one_of(hints)
            hint = did_you_mean(key, hints)
            problems.append(Problem(message, *node.keys[key], expected=known, hint=hint))
        elif (value := _read(inner, hints[key], where + key, problems)) is not _ABSENT:
            found[key] = value
    return kind(**found)
