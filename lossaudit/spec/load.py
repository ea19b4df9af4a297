"""Specs from files, from presets and from the command line's `--formula`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from lossaudit.errors import FormulaError, Problem, SpecError, UsageError
from lossaudit.spec.config_weights import read_bytes, read_count, read_weights
from lossaudit.spec.cross_checks import cross_checks, term_names
from lossaudit.spec.formula import parse_formula
from lossaudit.spec.schema import RIVAL_NAME, Spec, SpecFile
from lossaudit.spec.shape import did_you_mean, read_spec_file
from lossaudit.spec.strict_yaml import MOST_PROBLEMS, compose_yaml
from lossaudit.spec.tree import Expr, names
from lossaudit.spec.yaml_nodes import Node

_TOTAL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|`[^`]+`")
_ASSIGNMENT = re.compile(r"`[^`]*`|[<>!=]=|=")


def load_spec(name_or_path: str) -> Spec:
    """Load a spec file, or a preset by its name.

    Args:
        name_or_path: a path if it holds a separator, ends in .yaml or .yml, or is a file; else the
            name of a preset.

    Raises:
        UsageError: if there is no such file or preset.
        SpecError: with every problem of the file.
    """
    path = Path(name_or_path)
    if {"/", "\\"} & set(name_or_path) or path.suffix in (".yaml", ".yml") or path.is_file():
        return _load_file(path)
    if name_or_path in (known := preset_names()):
        return _load_file(_presets_folder() / f"{name_or_path}.yaml")
    raise UsageError(
        f"no preset and no file is called {name_or_path!r}",
        expected=f"a spec file, or one of {', '.join(known) or '(no presets)'}",
        hint=did_you_mean(name_or_path, known),
    )


def preset_names() -> list[str]:
    """The names of all presets, sorted."""
    return sorted(file.stem for file in _presets_folder().glob("*.yaml"))


def presets() -> dict[str, Spec]:
    """Every preset by its name."""
    return {name: load_spec(name) for name in preset_names()}


def _presets_folder() -> Path:
    from importlib import resources

    return Path(str(resources.files("lossaudit") / "presets"))


def spec_from_formula(formula: str, rivals: Sequence[str] = ()) -> Spec:
    """The spec of `--formula "TOTAL = EXPRESSION"` and `--rival "[NAME=]EXPRESSION"`.

    Args:
        formula: TOTAL is a tag, in backquotes unless it is a plain identifier.
        rivals: one text each; those without a name are called rival-1, rival-2, ...

    Raises:
        UsageError: if TOTAL or a rival's name is missing, wrong or used twice.
        FormulaError: if an expression cannot be parsed.
    """
    total, expression, tree = _parse_argument(formula)
    if not _TOTAL.fullmatch(total):
        raise UsageError(
            f"--formula {formula!r} does not start with the total's tag",
            expected="TOTAL = EXPRESSION, such as loss = 2.0*loss_lip + loss_latents",
            hint=f"put the tag in backquotes: `{total}` = ..." if total else "",
        )
    if (tag := total.strip("`")) in names(tree):
        raise UsageError(f"--formula {formula!r}: the total {tag!r} is one of its own terms")
    found = named_rivals(rivals)
    return Spec(
        name="ad-hoc",
        formula=tree,
        formula_text=expression,
        total=(tag,),
        tags={name: (name,) for name in term_names([tree, *(r for r, _ in found.values())])},
        rivals=found,
        sha256=_sha256("\n".join([formula, *rivals]).encode()),
    )


def with_rivals(spec: Spec, rivals: Sequence[str]) -> Spec:
    """The spec with further rivals, each "[NAME=]EXPRESSION" over the spec's names or tags.

    Raises:
        UsageError: if a name is wrong or taken.
        FormulaError: if an expression cannot be parsed.
    """
    found = named_rivals(rivals)
    if taken := sorted(set(found) & set(spec.rivals)):
        raise UsageError(f"--rival: the spec has a rival called {taken[0]!r} already")
    names_used = term_names(r for r, _ in found.values())
    fresh = {n: (n,) for n in names_used if n not in spec.tags and n not in spec.parameters}
    digest = _sha256("\n".join([spec.sha256, *rivals]).encode()) if rivals else spec.sha256
    return replace(
        spec, rivals={**spec.rivals, **found}, tags={**spec.tags, **fresh}, sha256=digest
    )


def named_rivals(rivals: Sequence[str]) -> dict[str, tuple[Expr, str]]:
    """{name: (tree, text)} of "[NAME=]EXPRESSION" texts; see `spec_from_formula`."""
    found: dict[str, tuple[Expr, str]] = {}
    unnamed = 0
    for argument in rivals:
        name, text, rival = _parse_argument(argument)
        unnamed += not name
        name = name or f"rival-{unnamed}"
        if name in found or not re.fullmatch(RIVAL_NAME, name):
            fault = "is used twice" if name in found else "is no name"
            expected = "NAME=EXPRESSION, a name of letters, digits, _ and -"
            raise UsageError(f"--rival {argument!r}: {name!r} {fault}", expected=expected)
        found[name] = (rival, text)
    return found


def _parse_argument(argument: str) -> tuple[str, str, Expr]:
    """("NAME" or "", "EXPRESSION", its tree) of "NAME = EXPRESSION"; errors show all of it."""
    signs = (m.end() for m in _ASSIGNMENT.finditer(argument) if m.group() == "=")
    start = next(signs, 0)
    try:
        tree = parse_formula(argument[start:])
    except FormulaError as error:
        column = start + error.column
        parts = {"expected": error.expected, "hint": error.hint}
        raise FormulaError(error.message, argument, column, **parts) from None
    return argument[: max(0, start - 1)].strip(), argument[start:].strip(), tree


def _sha256(data: bytes) -> str:
    from hashlib import sha256

    return sha256(data).hexdigest()


def _load_file(path: Path) -> Spec:
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
    problems += islice(cross_checks(file, root, trees), MOST_PROBLEMS)
    if problems:
        raise SpecError(str(path), problems)
    spec = _spec(file, trees, weights, path, _sha256(data))
    return replace(spec, accumulation_steps=accumulation, ranks=ranks)


def _spec(
    file: SpecFile,
    trees: Mapping[str, Expr],
    weights: Mapping[str, float],
    path: Path,
    sha256: str,
) -> Spec:
    used = [name for name in term_names(trees.values()) if name not in weights]
    definitions = {
        term: {key: text for key in d.__slots__ if (text := getattr(d, key))}
        for term, d in file.terms.items()
    }
    return Spec(
        name=file.name,
        formula=trees["formula"],
        formula_text=file.formula,
        dtype=file.dtype,
        total=file.log.total,
        tags={name: (name,) for name in used} | file.log.terms,
        parameters=weights,
        rivals={name: (trees[f"rivals.{name}"], text) for name, text in file.rivals.items()},
        terms=definitions,
        aggregates=file.log.aggregate,
        step=file.log.step,
        duplicates=file.log.duplicates,
        unlogged=file.log.unlogged,
        max_share=file.balance.max_share or None,
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
