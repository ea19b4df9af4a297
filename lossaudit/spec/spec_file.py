"""A spec file becomes a `Spec`, or the list of all its problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from lossaudit.errors import FormulaError, Problem, SpecError, UsageError
from lossaudit.spec.config_weights import read_bytes, read_count, read_weights
from lossaudit.spec.cross_checks import cross_checks
from lossaudit.spec.file_layout import SpecFile
from lossaudit.spec.formula import parse_formula
from lossaudit.spec.line_pattern import compile_pattern
from lossaudit.spec.schema import Spec, sha256_of
from lossaudit.spec.shape import read_spec_file
from lossaudit.spec.strict_yaml import MOST_PROBLEMS, compose_yaml
from lossaudit.spec.tree import Expr, term_names
from lossaudit.spec.yaml_nodes import Node


def read_spec(path: Path) -> Spec:
    """Read a spec file.

    Raises:
        UsageError: if there is no such file.
        SpecError: with every problem of the file.
    """
    data = read_bytes(path, "the spec")
    try:
        root, problems = compose_yaml(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        message = f"the byte 0x{data[error.start]:02x} is no UTF-8"
        raise SpecError(str(path), [Problem(message, line, column)]) from None
    if root is None:
        raise SpecError(str(path), problems)
    file = read_spec_file(root, problems)
    trees = _parse_all(file, root, problems)
    weights = read_weights(file, root, path.parent, problems)
    accumulation, ranks = (
        read_count(name, file, root, path.parent, problems) or None
        for name in ("accumulation_steps", "ranks")
    )
    problems += _pattern_problems(file, root)
    problems += islice(cross_checks(file, root, trees), MOST_PROBLEMS)
    if problems:
        raise SpecError(str(path), problems)
    spec = _spec(file, trees, weights, path, sha256_of(data))
    node = root.find("formula")
    line = node.line if node else 0
    return replace(spec, accumulation_steps=accumulation, ranks=ranks, line=line)


def _pattern_problems(file: SpecFile, root: Node) -> Iterable[Problem]:
    node = root.find("log", "pattern")
    if file.log.pattern and node:
        try:
            compile_pattern(file.log.pattern, "log.pattern")
        except UsageError as error:
            yield Problem(error.message, *node.place(), expected=error.expected)


def _spec(
    file: SpecFile,
    trees: Mapping[str, Expr],
    weights: Mapping[str, float],
    path: Path,
    sha256: str,
) -> Spec:
    used = [name for name in term_names(trees.values()) if name not in weights]
    return Spec(
        name=file.name,
        formula=trees["formula"],
        formula_text=file.formula,
        dtype=file.dtype,
        total=file.log.total,
        tags={name: (name,) for name in used} | file.log.terms,
        parameters=weights,
        rivals={name: (trees[f"rivals.{name}"], text) for name, text in file.rivals.items()},
        terms=file.terms,
        aggregates=file.log.aggregate,
        step=file.log.step,
        duplicates=file.log.duplicates,
        unlogged=file.log.unlogged,
        pattern=file.log.pattern,
        columns=file.log.columns,
        max_share=file.balance.max_share or None,
        replay=file.replay,
        sources=file.sources,
        summary=file.summary,
        path=str(path),
        sha256=sha256,
    )


def _parse_all(file: SpecFile, root: Node, problems: list[Problem]) -> dict[str, Expr]:
    """{"formula": tree, "rivals.NAME": tree}, as far as they can be parsed."""
    texts = {"formula": file.formula} | {f"rivals.{n}": text for n, text in file.rivals.items()}
    trees = {}
    for where, text in texts.items():
        node = root.find(*where.split(".", 1))
        if text and node:
            try:
                trees[where] = parse_formula(text)
            except FormulaError as error:
                at = "" if node.text_column else f", character {error.column + 1}"
                message, place = f"{where}{at}: {error.message}", node.place(error.column)
                problems.append(Problem(message, *place, error.expected, error.hint))
    return trees
