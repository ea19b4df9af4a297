"""Spec + tags of a log -> which column is the total, which are the terms, how they were written."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from lossaudit.closure.aggregates import (
    TERMS_OF_A_TRAILING_MEAN,
    aggregate_of,
    conventional,
)
from lossaudit.closure.keys import STEP_TAGS
from lossaudit.closure.rivals import Candidate, rivals_of, same_as
from lossaudit.closure.sum_dtype import Shown, SumDtype, cautious_sum, likely_sum
from lossaudit.model.log import Log
from lossaudit.numerics.constants import resolve_constants, resolve_round
from lossaudit.numerics.find_resolution import find_resolutions
from lossaudit.numerics.resolution import Resolution
from lossaudit.spec.aggregate import Aggregate, parse_aggregate
from lossaudit.spec.normal_form import Polynomial, normal_form
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import (
    RESERVED,
    Expr,
    Family,
    expand_families,
    families,
    names,
    number,
    ordered_names,
    substitute,
)


class Binding(Struct, frozen=True):
    """A spec's words on one log's columns.

    Attributes:
        declared: the formula with families expanded and parameters replaced.
        form: its monomials with their weights.
        rivals: what it must be told from.
        same_rivals: named rivals that are the declared formula itself.
        total: tag of the total, or None.
        tags: name in the formula -> tag, for every name that was found.
        missing: names of the declared formula without a column -> tags that look alike.
        empty_families: globs of the declared formula that match no tag.
        resolutions: tag -> how its numbers were likely written.
        cautious: tag -> the widest way in which they may have been.
        exact: tag -> how a term was written if its few round values are no rounded ones.
        aggregates: "total" and each found name -> aggregate.
        assumed: tag -> aggregate text, where it was taken from the writer's convention.
        has_aggregate: whether anything says what the total is; else it is a single step.
        likely_sum: the sum's arithmetic: in the spec's dtype, or a coarser one that values show.
        cautious_sum: the coarsest in which the sum may have been formed, by the digits shown.
    """

    declared: Expr
    form: Polynomial
    rivals: tuple[Candidate, ...]
    same_rivals: tuple[str, ...]
    total: str | None
    tags: Mapping[str, str]
    missing: Mapping[str, tuple[str, ...]]
    empty_families: tuple[str, ...]
    resolutions: Mapping[str, Resolution]
    cautious: Mapping[str, Resolution]
    exact: Mapping[str, Resolution]
    aggregates: Mapping[str, Aggregate]
    assumed: Mapping[str, str]
    has_aggregate: bool
    likely_sum: SumDtype
    cautious_sum: SumDtype

    @property
    def dtype(self) -> str:
        """Of the sum, in the likely reading."""
        return self.likely_sum.dtype


def _tags(
    spec: Spec, declared: Expr, rivals: Sequence[Candidate], present: set[str]
) -> dict[str, str]:
    """The tag of every name that the log has, the declared formula's first."""
    wanted = set(names(declared)).union(*(names(r.expr) for r in rivals)) - RESERVED
    order = [n for n in ordered_names(declared) if n in wanted]
    order += sorted(wanted - set(order))
    return {n: t for n in order if (t := _first(spec.tags.get(n, (n,)), present))}


def bind(spec: Spec, log: Log) -> Binding:
    """Find the columns that a spec speaks of; nothing is raised where they are not there."""
    present = {tag for tag, column in log.columns.items() if column.count}
    total = _first(spec.total, present)
    parameters: dict[str, Expr] = {n: number(v) for n, v in spec.parameters.items()}

    def settled(expr: Expr) -> Expr:
        bare = expand_families(expr, lambda f: _members(f, present, spec.total))
        return substitute(bare, parameters)

    declared = settled(spec.formula)
    named = {n: settled(e) for n, (e, _) in spec.rivals.items()}
    rivals = rivals_of(declared, named)
    tags = _tags(spec, declared, rivals, present)
    bound = list(dict.fromkeys([total, *tags.values()] if total else tags.values()))
    likely, cautious, grids = _resolutions(log, bound)
    telling = [t for t, r in likely.items() if not (r.constant or r.few)] or bound
    possible = grids[total] if total else spec.dtype
    form = normal_form(declared)
    terms = {n: t for n, t in tags.items() if n in names(declared)}
    aggregates, assumed = _aggregates(spec, log, total, tags)
    has_aggregate = bool(assumed) or aggregate_of("total", total or "", spec.aggregates) is not None
    return Binding(
        declared,
        form,
        tuple(rivals),
        same_as(declared, named),
        total,
        tags,
        _missing(spec, declared, tags, present),
        _empty_families(spec, present),
        likely,
        cautious,
        resolve_round(likely, total or ""),
        aggregates,
        assumed,
        has_aggregate,
        likely_sum(Shown(spec.dtype, total, possible, likely, telling), terms, form),
        cautious_sum(Shown(spec.dtype, total, possible, cautious, telling), terms, form),
    )


def _missing(
    spec: Spec, declared: Expr, tags: Mapping[str, str], present: set[str]
) -> dict[str, tuple[str, ...]]:
    """Names of the declared formula that the log lacks, with tags that look like theirs."""
    lacking = sorted(names(declared) - RESERVED - set(tags))
    return {name: lookalikes(spec.tags.get(name, (name,)), present) for name in lacking}


def _empty_families(spec: Spec, present: set[str]) -> tuple[str, ...]:
    """The globs of families without a member in the log."""
    empty = (f for f in families(spec.formula) if not _members(f, present, spec.total))
    return tuple("`, `".join(f.globs) for f in empty)


def _first(candidates: tuple[str, ...], present: set[str]) -> str | None:
    """The first candidate that is a tag; else the first that is one in another Unicode form.

    Canonically equivalent names (NFC, NFD) look alike and are one name to their writer. Names that
    are merely compatible (NFKC) or differ in case are another matter: see `lookalikes`.
    """
    exact = next((t for t in candidates if t in present), None)
    if exact is not None or all(t.isascii() for t in candidates):
        return exact
    for wanted in (unicodedata.normalize("NFC", t) for t in candidates):
        same = [t for t in present if not t.isascii() and unicodedata.normalize("NFC", t) == wanted]
        if len(same) == 1:
            return same[0]
    return None


def _members(family: Family, present: set[str], totals: tuple[str, ...]) -> tuple[str, ...]:
    """The tags of a family, without totals and steps, each term in one form only."""
    wanted = [g for g in family.globs if not g.startswith("!")]
    unwanted = [g[1:] for g in family.globs if g.startswith("!")]
    found = [
        tag
        for tag in sorted(present)
        if any(fnmatchcase(tag, g) for g in wanted)
        and not any(fnmatchcase(tag, g) for g in unwanted)
        and tag not in totals
        and tag.lower() not in STEP_TAGS
    ]
    total = next((t for t in totals if t in present), "")
    return tuple(t for t in found if not _is_other_form(t, total, found))


def _is_other_form(tag: str, total: str, found: list[str]) -> bool:
    """Whether a tag is a term once more: Lightning logs `x_step` and `x_epoch` side by side.

    The form of the total is kept; beside a total of neither form `x`, else `x_step`.
    """
    own = next((s for s in ("_step", "_epoch") if total.endswith(s)), "")
    base = tag.removesuffix("_step").removesuffix("_epoch")
    order = [own, "", "_step", "_epoch"]
    first = next((base + s for s in order if base + s in found), tag)
    return tag != first


def lookalikes(candidates: tuple[str, ...], present: set[str]) -> tuple[str, ...]:
    """Tags that differ in case or Unicode form only, else the nearest by spelling."""

    def folded(text: str) -> str:
        return unicodedata.normalize("NFKC", text).casefold().replace("/", ".")

    same = [t for t in sorted(present) if any(folded(t) == folded(c) for c in candidates)]
    near = [t for c in candidates for t in difflib.get_close_matches(c, sorted(present), 3)]
    return tuple(dict.fromkeys(same or near))[:3]


def _resolutions(
    log: Log, tags: list[str]
) -> tuple[dict[str, Resolution], dict[str, Resolution], dict[str, str]]:
    """How each column was likely written, the widest way in which it may have been, and its grid.

    The coarsest grid that holds a column's values is its own, whatever the others show.
    """
    readings = [find_resolutions(log.columns[t]) for t in tags]
    likely, cautious = (
        dict(zip(tags, resolve_constants([r[c] for r in readings], c), strict=True))
        for c in (False, True)
    )
    return likely, cautious, {t: r[True].grid for t, r in zip(tags, readings, strict=True)}


def _aggregates(
    spec: Spec, log: Log, total: str | None, tags: Mapping[str, str]
) -> tuple[dict[str, Aggregate], dict[str, str]]:
    """Each column's aggregate; one without takes the total's."""
    assumed: dict[str, str] = {}
    own = aggregate_of("total", total or "", spec.aggregates)
    if own is None and total is not None:
        text = conventional(total, log.columns)
        if text:
            own, assumed[total] = parse_aggregate(text), text
    base = own or Aggregate()
    found = {"total": base}
    base = TERMS_OF_A_TRAILING_MEAN if base.kind == "trailing" else base
    for name, tag in tags.items():
        found[name] = aggregate_of(name, tag, spec.aggregates) or base
    return found, assumed
