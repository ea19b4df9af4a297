"""Spec -> text of a spec file, in the strict YAML that `load` reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lossaudit.errors import LossauditError, UsageError
from lossaudit.spec.formula_text import render
from lossaudit.spec.load import load_spec
from lossaudit.spec.schema import Spec


def spec_text(spec: Spec) -> str:
    """The lines of a spec file; every text is in quotes, whatever characters a tag has."""
    lines = [f"name: {quoted(spec.name)}"]
    if spec.summary:
        lines.append(f"summary: {quoted(spec.summary)}")
    lines += [f"formula: {quoted(render(spec.formula))}", f"dtype: {spec.dtype}", "log:"]
    lines.append(f"  total: [{', '.join(map(quoted, spec.total))}]")
    renamed = {name: tags for name, tags in spec.tags.items() if tags != (name,)}
    if renamed:
        lines.append("  terms:")
        lines += [f"    {quoted(n)}: [{', '.join(map(quoted, t))}]" for n, t in renamed.items()]
    if spec.aggregates:
        lines.append("  aggregate:")
        lines += [f"    {quoted(n)}: {quoted(kind)}" for n, kind in spec.aggregates.items()]
    return "\n".join([*lines, *layout_lines(spec.pattern, spec.columns), ""])


def layout_lines(pattern: str, columns: Sequence[str]) -> list[str]:
    """The lines of the `log` section that say how a log is read."""
    lines = [f"  pattern: {quoted(pattern)}"] if pattern else []
    if columns:
        lines.append(f"  columns: [{', '.join(map(quoted, columns))}]")
    return lines


def write_spec(spec: Spec, path: str, comments: Sequence[str] = ()) -> None:
    """Write a new spec file, and read it back: what cannot be read as meant is an error.

    Args:
        spec: what to write.
        path: of a file that is not there.
        comments: what stands above it, one line each.

    Raises:
        UsageError: if the file cannot be written, or a tag cannot stand in a spec.
    """
    try:
        with Path(path).open("x", encoding="utf-8", newline="\n") as file:
            file.write("".join(f"# {_in_a_comment(c)}\n" for c in comments) + spec_text(spec))
    except OSError as error:
        raise UsageError(
            f"the spec cannot be written: {error.strerror or error}", where=path
        ) from None
    try:
        found = load_spec(str(Path(path).absolute()))
    except LossauditError as error:
        Path(path).unlink()
        raise UsageError(f"no spec file can hold this formula: {error}", where=path) from None
    assert render(found.formula) == render(spec.formula)


def _in_a_comment(text: str) -> str:
    """A text for a comment: one line, and nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def quoted(text: str) -> str:
    """Any text as a scalar: a string of JSON is one of YAML too."""
    return json.dumps(text, ensure_ascii=False)
