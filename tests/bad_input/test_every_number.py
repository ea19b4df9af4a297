"""Every number of the list of bad input has a test; `pytest -m bad_input` runs them all."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
WANTED = {*range(1, 17), *range(22, 36), *range(40, 53), *range(60, 72), *range(90, 105)}


def numbers(tree: ast.AST) -> Iterator[int]:
    """The numbers of every `pytest.mark.bad_input(...)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if name in ("bad_input", "number"):
                yield from (a.value for a in node.args if isinstance(a, ast.Constant))


def test_every_number_has_a_test() -> None:
    where = defaultdict(set)
    for file in HERE.glob("test_*.py"):
        for number in numbers(ast.parse(file.read_text("utf-8"))):
            where[number].add(file.name)
    assert sorted(WANTED - set(where)) == []


def test_a_number_without_a_test_would_be_found() -> None:
    tree = ast.parse("@pytest.mark.bad_input(7, 8)\ndef test_it(): ...")
    assert list(numbers(tree)) == [7, 8]
    assert not list(numbers(ast.parse("def test_it(): ...")))
