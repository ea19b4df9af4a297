"""A preset's manual page: what its file says, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from lossaudit.spec.definition import Definition
from lossaudit.spec.schema import Spec


def preset_manual(spec: Spec) -> str:
    """The page of a preset, in the sections that `render_manual` lays out.

    Args:
        spec: loaded from its file, whose first comment says why it is as it is.
    """
    total = " or ".join(f"`{tag}`" for tag in spec.total)
    parts = [spec.summary, _first_comment(spec.path)]
    parts.append(f"**Formula**\n\n    {spec.formula_text}\n\nThe total is logged as {total}.")
    parts.append(_section("Rivals that a PASS must refute", _rivals(spec)))
    parts.append(_section("Terms, as replay computes them", _terms(spec)))
    parts.append(_section("Names in the log", _tags(spec)))
    parts.append(_section("How numbers come from steps", _pairs(spec.aggregates)))
    parts.append(_section("Not in the log", _pairs(spec.unlogged)))
    parts.append(_section("Source", [f"- {source}" for source in spec.sources]))
    parts.append(f"**Start from it**\n\n    lossaudit init --spec {spec.name}")
    return "\n\n".join(part for part in parts if part)


def _first_comment(path: str) -> str:
    lines = Path(path).read_text("utf-8").splitlines()
    end = next((k for k, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "\n".join(line.removeprefix("#").strip() for line in lines[:end])


def _section(title: str, items: list[str]) -> str:
    return f"**{title}**\n" + "\n".join(items) if items else ""


def _rivals(spec: Spec) -> list[str]:
    return [f"- {name}: {text}" for name, (_, text) in spec.rivals.items()]


def _terms(spec: Spec) -> list[str]:
    return [f"- {name}: {_definition(term)}" for name, term in spec.terms.items()]


def _definition(term: Definition) -> str:
    """Everything that differs from a field's default; what comes from what is said in words."""
    start = [term.kind]
    if term.prediction:
        start.append(f"of {term.prediction}")
    if term.target:
        start.append(f"against {term.target}")
    said = {"kind", "prediction", "target", "note"}
    rest = [
        f"{f.name} {getattr(term, f.name)}"
        for f in fields(term)
        if f.name not in said and getattr(term, f.name) != f.default
    ]
    return ", ".join(x for x in [" ".join(filter(None, start)), *rest, term.note] if x)


def _tags(spec: Spec) -> list[str]:
    return [
        f"- {name}: {' or '.join(f'`{tag}`' for tag in tags)}"
        for name, tags in spec.tags.items()
        if tags != (name,)
    ]


def _pairs(pairs: Mapping[str, str]) -> list[str]:
    return [f"- {name}: {text}" for name, text in pairs.items()]
