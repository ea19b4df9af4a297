"""Specs from files, from presets and from the command line's `--formula`; every cross check.

A weight may stand in a config file: `{file: ../configs/stage2.yaml, key: loss_params.vgg_loss}`.
The path is relative to the spec's folder and may lead out of it with `..`, because specs lie beside
the configs of a training run; absolute paths, drives and backslashes are refused, so that a spec
means the same on every machine. Only the number is read; the file is never executed, and a message
shows no more of it than the value at the key or the names near to it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from lossaudit.errors import FormulaError, LossauditError, Problem, SpecError, UsageError
from lossaudit.spec.formula import parse_formula
from lossaudit.spec.schema import (
    RIVAL_NAME,
    ConfigKey,
    Spec,
    SpecFile,
    did_you_mean,
    one_of,
    read_spec_file,
)
from lossaudit.spec.strict_yaml import LIMIT, MOST_PROBLEMS, Node, compose_yaml
from lossaudit.spec.tree import FUNCTIONS, RESERVED, Expr, Family, Name, families, names, walk

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
    return Spec(
        name="ad-hoc",
        formula=tree,
        formula_text=expression,
        total=(tag,),
        tags={name: (name,) for name in _terms([tree, *(r for r, _ in found.values())])},
        rivals=found,
        sha256=_sha256("\n".join([formula, *rivals]).encode()),
    )


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


def _terms(trees: Iterable[Expr]) -> list[str]:
    """Every name but `step` and `epoch`, in the order of the formulas."""
    found = (node.name for tree in trees for node in walk(tree) if isinstance(node, Name))
    return [name for name in dict.fromkeys(found) if name not in RESERVED]


def _sha256(data: bytes) -> str:
    from hashlib import sha256

    return sha256(data).hexdigest()


def _load_file(path: Path) -> Spec:
    data = _read_bytes(path, "the spec")
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
    weights = _weights(file, root, path.parent, problems)
    problems += islice(_cross_checks(file, root, trees), MOST_PROBLEMS)
    if problems:
        raise SpecError(str(path), problems)
    return _spec(file, trees, weights, path, _sha256(data))


def _read_bytes(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{what} {str(path)!r} cannot be read: {reason}") from None


def _spec(
    file: SpecFile,
    trees: Mapping[str, Expr],
    weights: Mapping[str, float],
    path: Path,
    sha256: str,
) -> Spec:
    used = [name for name in _terms(trees.values()) if name not in weights]
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


def _weights(file: SpecFile, root: Node, folder: Path, problems: list[Problem]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, weight in file.parameters.items():
        node = root.find("parameters", name)
        try:
            if not isinstance(weight, ConfigKey):
                found[name] = weight
            elif weight.file and weight.key:
                found[name] = _look_up(folder / weight.file, weight)
        except LossauditError as error:
            message, place = f"parameters.{name}: {error.message}", node.place() if node else (1, 1)
            problems.append(Problem(message, *place, error.expected, error.hint))
    return found


def _look_up(path: Path, weight: ConfigKey) -> float:
    """The number at a dotted key of a config file."""
    value = _read_config(path, weight.file)
    parts = weight.key.split(".")
    for i, part in enumerate(parts):
        inner: Any = value.value if isinstance(value, Node) else value
        if isinstance(inner, list) and re.fullmatch("[0-9]{1,9}", part) and int(part) < len(inner):
            value = inner[int(part)]
        elif isinstance(inner, dict) and part in inner:
            value = inner[part]
        else:
            hint = did_you_mean(part, inner) if isinstance(inner, dict) else ""
            raise UsageError(f"{weight.file} has no {'.'.join(parts[: i + 1])!r}", hint=hint)
    found: Any = value.value if isinstance(value, Node) else value
    if isinstance(found, float) and math.isfinite(found):
        return found
    shown = type(found).__name__ if isinstance(found, list | dict) else repr(found)[:60]
    raise UsageError(f"{weight.key} in {weight.file} is {shown}", expected="a finite number")


def _read_config(path: Path, shown: str) -> Any:
    if path.exists() and not path.is_file():
        raise UsageError(f"{shown} is no plain file")
    data = _read_bytes(path, "the config file")
    try:
        text = data.decode("utf-8-sig")
        if path.suffix == ".json" and len(data) <= LIMIT:
            return json.loads(text, parse_int=float, object_pairs_hook=partial(_unique, shown))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{shown} cannot be read: {error}") from None
    root, problems = compose_yaml(text, config=True)
    for problem in problems:
        raise UsageError(f"{shown}:{problem.line}:{problem.column}: {problem.message}")
    return root


def _unique(shown: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UsageError(f"{shown} holds a key twice: {sorted(k for k, _ in pairs)!r}"[:200])
    return found


def _cross_checks(file: SpecFile, root: Node, trees: Mapping[str, Expr]) -> Iterable[Problem]:
    """What no single value can show; nothing where a formula could not be parsed."""
    if len(trees) < 1 + len(file.rivals):
        return
    groups = [family for tree in trees.values() for family in families(tree)]
    used = dict.fromkeys(_terms(trees.values()))
    is_used = partial(_is_used, used, groups)
    yield from _reserved(root)
    yield from _unused(file, root, used, is_used)
    yield from _wrong_aggregates(file, root, used, groups)
    yield from _shadowing(file, root)
    yield from _rival_problems(file, root, trees)


def _is_used(used: Collection[str], groups: Sequence[Family], name: str) -> bool:
    return name in used or any(
        any(fnmatchcase(name, glob) for glob in group.globs if glob[0] != "!")
        and not any(fnmatchcase(name, glob[1:]) for glob in group.globs if glob[0] == "!")
        for group in groups
    )


def _keys(root: Node, *path: str) -> Mapping[str, tuple[int, int]]:
    """Every key of a mapping of the file, with its line and column."""
    node = root.find(*path)
    return node.keys if node else {}


_OF_TERMS = [("terms",), ("log", "terms"), ("log", "unlogged")]


def _reserved(root: Node) -> Iterable[Problem]:
    for path in [*_OF_TERMS, ("parameters",)]:
        for name, place in _keys(root, *path).items():
            if name in RESERVED | FUNCTIONS:
                message = f"{'.'.join(path)}.{name}: formulas give {name!r} a meaning of their own"
                yield Problem(message, *place, hint="choose another name")


def _unused(
    file: SpecFile, root: Node, used: Iterable[str], is_used: Callable[[str], bool]
) -> Iterable[Problem]:
    terms = [name for name in used if name not in file.parameters]
    for path in [*_OF_TERMS, ("parameters",)]:
        known = used if path == ("parameters",) else terms
        for name, place in _keys(root, *path).items():
            is_total = path == ("log", "unlogged") and name in ("total", *file.log.total)
            if not is_used(name) and not is_total and name not in RESERVED | FUNCTIONS:
                message = f"{'.'.join(path)}.{name}: neither the formula nor a rival uses this name"
                yield Problem(message, *place, one_of(known), did_you_mean(name, known))


def _wrong_aggregates(
    file: SpecFile, root: Node, used: Iterable[str], groups: Sequence[Family]
) -> Iterable[Problem]:
    """A key is "total", a term, a tag, or a glob over tags; families may match any tag."""
    tags = (tag for tags in file.log.terms.values() for tag in tags)
    known = dict.fromkeys(["total", *used, *file.log.total, *tags])
    for name, place in _keys(root, "log", "aggregate").items():
        is_glob = any(sign in name for sign in "*?[")
        if name in known or (is_glob and (groups or any(fnmatchcase(t, name) for t in known))):
            continue
        if not _is_used((), groups, name):
            message = f"log.aggregate.{name}: this is no term, no tag and not the total"
            yield Problem(message, *place, one_of(known), did_you_mean(name, known))


def _shadowing(file: SpecFile, root: Node) -> Iterable[Problem]:
    tags = {tag: term for term, tags in file.log.terms.items() for tag in (*tags, term)}
    for name, place in _keys(root, "parameters").items():
        if name in tags or name in file.terms:
            message = f"parameters.{name}: this is a tag of the term {tags.get(name, name)!r} too"
            hint = "delete it here if the log has the weight, else there"
            yield Problem(message, *place, hint=hint)


def _rival_problems(file: SpecFile, root: Node, trees: Mapping[str, Expr]) -> Iterable[Problem]:
    declared = {*names(trees["formula"]), *file.terms, *file.log.terms, *file.log.unlogged}
    known = declared | file.parameters.keys() | RESERVED
    for rival in file.rivals:
        node, tree = root.find("rivals", rival), trees[f"rivals.{rival}"]
        assert node is not None
        if tree == trees["formula"]:
            yield Problem(f"rivals.{rival} is the formula itself", *node.place())
        for name in _terms([tree]):
            if name not in known:
                place = node.place(max(0, node.text.find(name)))
                message = f"rivals.{rival}: {name!r} is in no other part of the spec"
                hint = did_you_mean(name, known) or f"add it to log.terms: {{{name}: TAG}}"
                yield Problem(message, *place, hint=hint)
