"""The `Spec` that the program uses, however it was declared."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from lossaudit.spec.definition import Definition
from lossaudit.spec.replay_section import ReplaySection
from lossaudit.spec.tree import Expr

RIVAL_NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"


class Spec(Struct, frozen=True):
    """A declared loss.

    Attributes:
        name: of the preset, or as the file says.
        formula, formula_text: the tree, and its text as the user wrote it.
        dtype: in which training added the terms up.
        total: tags of the total, tried in order.
        tags: of every term and logged weight of the formula and the rivals, tried in order.
        parameters: fixed weights by name.
        rivals: formulas that the declared one must be told from: {name: (tree, text)}.
        terms: definitions by term, as far as declared.
        aggregates: {"total", a term or a tag: kind such as "mean:32"}.
        step: tags or columns that count the steps.
        duplicates: which records of a repeated step count: all, first or last.
        unlogged: {term: why the log does not have it}.
        pattern: how a line of a text log is read: a regular expression, or empty.
        columns: names for the columns of a table without a header, or empty.
        max_share: no term's share of the total may have a median above it.
        replay: which model computes predictions, and in which numbers training ran it.
        accumulation_steps, ranks: of the run, where the spec says so.
        sources: where the declared formula is stated.
        summary: one line.
        path, sha256: of the spec's file; of the texts where there is no file.
        line: of the formula in the user's spec file; 0 for presets and `--formula`.
    """

    name: str
    formula: Expr
    formula_text: str
    dtype: str = "float32"
    total: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    rivals: Mapping[str, tuple[Expr, str]] = field(default_factory=dict)
    terms: Mapping[str, Definition] = field(default_factory=dict)
    aggregates: Mapping[str, str] = field(default_factory=dict)
    step: tuple[str, ...] = ()
    duplicates: str = "all"
    unlogged: Mapping[str, str] = field(default_factory=dict)
    pattern: str = ""
    columns: tuple[str, ...] = ()
    max_share: float | None = None
    accumulation_steps: float | None = None
    ranks: float | None = None
    replay: ReplaySection = field(default_factory=ReplaySection)
    sources: tuple[str, ...] = ()
    summary: str = ""
    path: str = ""
    sha256: str = ""
    line: int = 0


def sha256_of(data: bytes) -> str:
    """The digest of a declaration, as hexadecimal digits."""
    from hashlib import sha256

    return sha256(data).hexdigest()
