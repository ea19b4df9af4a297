"""What the command line may change in a spec: tags, aggregates, the dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from msgspec.structs import replace

from lossaudit.errors import UsageError
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.aggregate import parse_aggregate
from lossaudit.spec.hints import did_you_mean
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import RESERVED, families, names


def override(
    spec: Spec,
    maps: Sequence[str] = (),
    aggregates: Sequence[str] = (),
    dtype: str | None = None,
) -> Spec:
    """The spec with the user's `--map`, `--aggregate` and `--dtype`.

    Args:
        spec: as loaded.
        maps: "total=TAG" or "TERM=TAG"; it replaces the spec's tags.
        aggregates: "TAG=KIND"; TAG is `total`, a term, a tag or a glob over tags.
        dtype: of the sum in training.

    Raises:
        UsageError: if a text has no "=", a term is not in any formula, or the dtype or an
            aggregate is unknown.
    """
    tags, total = dict(spec.tags), spec.total
    terms = set(names(spec.formula)).union(*(names(e) for e, _ in spec.rivals.values()))
    terms -= RESERVED | set(spec.parameters)
    for name, tag in (_pair(text, "--map", "TERM=TAG") for text in maps):
        if name == "total":
            total = (tag,)
        elif name in terms:
            tags[name] = (tag,)
        else:
            raise UsageError(
                f"--map: no formula has a term called {name!r}",
                expected=", ".join(["total", *sorted(terms)]),
                hint=did_you_mean(name, ["total", *terms]),
            )
    tags_of = {"total": total, **tags}
    own = dict(_pair(text, "--aggregate", "TAG=KIND") for text in aggregates)
    for key, text in own.items():
        parse_aggregate(text)
        _check_key(key, spec, tags_of)
    kept = {
        key: text
        for key, text in spec.aggregates.items()
        if not any(fnmatchcase(t, o) for t in (key, *tags_of.get(key, ())) for o in own)
    }
    if dtype is not None and dtype not in FORMATS:
        raise UsageError(f"--dtype: {dtype!r} is no dtype", expected=", ".join(FORMATS))
    return replace(
        spec, tags=tags, total=total, aggregates={**own, **kept}, dtype=dtype or spec.dtype
    )


def _check_key(key: str, spec: Spec, tags_of: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse an aggregate of nothing; in a family any tag may be meant."""
    known = sorted({*tags_of, *(tag for tags in tags_of.values() for tag in tags)})
    if any(c in key for c in "*?[") or key in known or families(spec.formula):
        return
    raise UsageError(
        f"--aggregate: no formula has a column called {key!r}",
        expected=", ".join(known),
        hint=did_you_mean(key, known),
    )


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=") if option == "--aggregate" else text.partition("=")
    name, value = name.strip().strip("`"), value.strip().strip("`")
    if not equals or not name or not value:
        raise UsageError(f"{option} {text!r} is not of the form {form}", expected=form)
    return name, value
