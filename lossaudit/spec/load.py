"""Specs from files, from presets and from the command line's `--formula`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from lossaudit.errors import FormulaError, UsageError
from lossaudit.spec.formula import parse_formula
from lossaudit.spec.hints import did_you_mean
from lossaudit.spec.schema import RIVAL_NAME, Spec, sha256_of
from lossaudit.spec.tree import Expr, names, term_names

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
    path = spec_path(name_or_path)
    if path is None:
        known = preset_names()
        raise UsageError(
            f"no preset and no file is called {name_or_path!r}",
            expected=f"a spec file, or one of {', '.join(known) or '(no presets)'}",
            hint=did_you_mean(name_or_path, known),
        )
    spec = _read(path)
    is_preset = path.parent == _presets_folder()
    return replace(spec, line=0) if is_preset else spec  # a preset is no file of the user's


def spec_path(name_or_path: str) -> Path | None:
    """Where `load_spec` reads: the path itself, or a preset's file; None where it is neither."""
    path = Path(name_or_path)
    if {"/", "\\"} & set(name_or_path) or path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    return _presets_folder() / f"{name_or_path}.yaml" if name_or_path in preset_names() else None


def _read(path: Path) -> Spec:
    from lossaudit.spec.spec_file import read_spec  # YAML and its layout, for files alone

    return read_spec(path)


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
        sha256=sha256_of("\n".join([formula, *rivals]).encode()),
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
    digest = sha256_of("\n".join([spec.sha256, *rivals]).encode()) if rivals else spec.sha256
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
