"""`lossaudit verify`: does the same audit of the same inputs still say the same?

read a stored result     its command is repeated on the inputs as they are now     cli/verify.py
compare                  every key of both, inputs first; replayed terms within their intervals
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from math import isinf
from typing import Any

from lossaudit.model.difference import Difference, Kind
from lossaudit.model.result import Result

Document = Mapping[str, Any]

SURROUNDINGS = ("environment", "training", "version", "repository_paths")
"""Keys of a result that say what it was made with, and where: in another checkout the same inputs
have other names. Where they differ, it still holds."""

BESIDE = ("file", "log")
"""What an audit skips because nothing reads it, such as the reports of an earlier one."""


def compare(stored: Result, repeated: Result) -> list[Difference]:
    """Everything that differs between a stored result and the same audit made again, sorted.

    Replayed numbers may differ within the interval that either side states for them, as they do
    from one device or thread count to another.
    """
    inputs = list(_inputs(stored, repeated))
    changed = {difference.where for difference in inputs}
    found = [*inputs, *_spec(stored, repeated), *_documents(stored, repeated, changed)]
    order = list(Kind)
    return sorted(found, key=lambda difference: order.index(difference.kind))


def _inputs(stored: Result, repeated: Result) -> Iterator[Difference]:
    was, now = _digests(stored), _digests(repeated)
    for path in sorted(was.keys() | now.keys()):
        if was.get(path) != now.get(path):
            yield Difference(Kind.INPUT, path, _digest(was.get(path)), _digest(now.get(path)))


def _digests(result: Result) -> dict[str, str]:
    made = result.reproduction
    return {} if made is None else {i.path: i.sha256 for i in made.inputs}


def _digest(sha256: str | None) -> str:
    return "" if sha256 is None else f"sha256 {sha256[:16]}…"


def _spec(stored: Result, repeated: Result) -> Iterator[Difference]:
    """The lines of the spec that are others; the same text with other options has none."""
    was = stored.reproduction.spec_text if stored.reproduction else ""
    now = repeated.reproduction.spec_text if repeated.reproduction else ""
    lines = difflib.unified_diff(was.splitlines(), now.splitlines(), lineterm="", n=0)
    removed: list[str] = []
    added: list[str] = []
    for line in [*lines, "@@"]:
        if line.startswith("@@"):
            for a, b in zip_longest(removed, added, fillvalue=""):
                yield Difference(Kind.SPEC, stored.spec.name, a, b)
            removed, added = [], []
        elif line[:3] not in ("---", "+++"):
            (removed if line[0] == "-" else added).append(line[1:].strip())


def _documents(stored: Result, repeated: Result, changed: set[str]) -> Iterator[Difference]:
    """Every key but the inputs; `changed` are those whose other digest is said already."""
    was, now = stored.to_dict(), repeated.to_dict()
    witnesses = list(_witnesses(was["witnesses"], now["witnesses"], changed))
    # What follows from recomputed numbers moves with them.
    moved = any(d.kind is Kind.WITHIN for d in witnesses)
    numbers = Kind.WITHIN if moved and not any(d.contradicts for d in witnesses) else Kind.RESULT
    for key in [k for k in was if k not in ("reproduction", "witnesses")]:
        if key == "series":
            yield from _series(numbers, was[key], now[key])
        elif key in SURROUNDINGS:
            yield from _walk(Kind.ENVIRONMENT, key, was[key], now.get(key, {}))
        elif key == "skipped":
            yield from _skipped(was[key], now[key])
        else:
            kind = Kind.VERDICT if key in ("verdict", "exit_code", "reason") else Kind.RESULT
            yield from _walk(kind, key, was[key], now.get(key), numbers)
    yield from witnesses


def _skipped(was: Sequence[Document], now: Sequence[Document]) -> Iterator[Difference]:
    """What was left out then and not now, or the reverse."""
    then, later = ([(s["check"], s["reason"]) for s in entries] for entries in (was, now))
    for entries, others, is_old in ((then, later, True), (later, then, False)):
        known = set(others)
        for check, reason in entries:
            if (check, reason) not in known:
                kind = Kind.ENVIRONMENT if check in BESIDE else Kind.RESULT
                texts = (reason, "") if is_old else ("", reason)
                yield Difference(kind, f"skipped {check}", *texts)


def _witnesses(
    was: Sequence[Document], now: Sequence[Document], changed: set[str]
) -> Iterator[Difference]:
    named = {w["source"]: w for w in now}
    for one in was:
        where = f"{one['kind']} {one['source']}"
        other = named.pop(one["source"], None)
        if other is None:
            yield Difference(Kind.RESULT, where, one["verdict"], "")
            continue
        replays = list(_replays(where, one["replays"], other["replays"]))
        inside = bool(replays) and not any(d.contradicts for d in replays)
        numbers = Kind.WITHIN if inside else Kind.RESULT
        yield from _made_with(f"{where}: environment", one, other, "environment")
        told = {"replays", "environment"} | ({"sha256"} if one["source"] in changed else set())
        for key in [k for k in one if k not in told]:
            kind = Kind.VERDICT if key == "verdict" else Kind.RESULT
            yield from _walk(kind, f"{where}: {key}", one[key], other.get(key), numbers)
        yield from replays
    for source, other in named.items():
        yield Difference(Kind.RESULT, f"{other['kind']} {source}", "", other["verdict"])


def _replays(where: str, was: Sequence[Document], now: Sequence[Document]) -> Iterator[Difference]:
    named = {(r["step"], r["batch"]): r for r in now}
    for one in was:
        place = f"{where}: step {one['step']:,}"
        other = named.get((one["step"], one["batch"]))
        if other is None:
            yield Difference(Kind.RESULT, place, "recomputed", "")
            continue
        yield from _walk(Kind.ENVIRONMENT, f"{place} device", one["device"], other["device"])
        yield from _made_with(f"{place} policy", one, other, "policy")
        pairs = {"total": (one["total"], other["total"])}
        pairs |= {n: (t, other["terms"].get(n)) for n, t in one["terms"].items()}
        for name, (before, after) in pairs.items():
            yield from _interval(f"{place} {name}", before, after)
        for key in ("depth", "checkpoint", "agrees", "total_logged"):
            yield from _walk(Kind.RESULT, f"{place} {key}", one.get(key), other.get(key))


def _made_with(where: str, was: Document, now: Document, key: str) -> Iterator[Difference]:
    """Surroundings that are not the same; a result of a version that did not tell has none."""
    if was.get(key):
        yield from _walk(Kind.ENVIRONMENT, where, was[key], now.get(key, {}))


def _interval(where: str, was: Document, now: Document | None) -> Iterator[Difference]:
    if now is None or was["value"] == now["value"]:
        yield from _walk(Kind.RESULT, where, was["value"], None if now is None else now["value"])
        return
    inside = _holds(was, now["value"]) and _holds(now, was["value"])
    kind = Kind.WITHIN if inside else Kind.RESULT
    yield Difference(kind, where, _shown(was["value"]), _shown(now["value"]))


def _holds(interval: Document, value: Any) -> bool:
    """Whether a number lies in an interval; one that is open at both ends vouches for nothing."""
    low, high = float(interval["low"]), float(interval["high"])
    return low <= float(value) <= high and not (isinf(low) and isinf(high))


def _series(kind: Kind, was: Document, now: Document) -> Iterator[Difference]:
    """The points of plots, counted: the numbers behind them are compared elsewhere."""
    for name, points in was.items():
        others = now.get(name, [])
        count = sum(a != b for a, b in zip_longest(points, others))
        if count:
            yield Difference(
                kind, f"series {name}", f"{len(points)} points", f"{count} of them differ"
            )


def _walk(
    kind: Kind, where: str, was: Any, now: Any, numbers: Kind | None = None
) -> Iterator[Difference]:
    """Every leaf that differs, as `kind`, or as `numbers` where both are fractional numbers."""
    if was == now:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for key in [*was, *(k for k in now if k not in was)]:
            yield from _walk(kind, f"{where}.{key}", was.get(key), now.get(key), numbers)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, (a, b) in enumerate(zip(was, now, strict=True)):
            yield from _walk(kind, f"{where}[{number}]", a, b, numbers)
    else:
        both = isinstance(was, float) and isinstance(now, float)
        found = numbers if both and numbers is not None else kind
        yield Difference(found, where, _shown(was), _shown(now))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return f"{len(value):,} entries"
    return repr(value) if isinstance(value, float) else str(value)
