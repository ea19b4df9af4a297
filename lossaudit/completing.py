"""What every result gets in the end: manual pages, paths inside the repository, known findings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from lossaudit import registry
from lossaudit.baseline import Baseline, with_baseline
from lossaudit.closure.check import Check, manual
from lossaudit.model.finding import Severity
from lossaudit.model.result import Result, Rule


def complete(
    result: Result, checks: Iterable[str], fail_on: Severity, baseline: Baseline | None
) -> Result:
    """The result as reports need it.

    Args:
        result: with all its findings.
        checks: names of the checks that were put to each log.
        fail_on: the least severity that gives exit code 1.
        baseline: the findings that are accepted, if any are.
    """
    known: dict[str, Check] = registry.load("lossaudit.checks", Check)
    found = sorted({f.check for f in result.findings} & set(known))
    completed = replace(
        result,
        fail_on=fail_on,
        checks=tuple(checks),
        rules=tuple(Rule(name, known[name].summary, manual(known[name])) for name in found),
        repository_paths=repository_paths(_paths(result)),
    )
    return with_baseline(completed, baseline)


def repository_paths(paths: Iterable[str]) -> dict[str, str]:
    """The path inside the repository of each path whose name is another one.

    The repository is the nearest folder above the working folder that has a `.git`, or else the
    working folder itself. A path outside of it keeps its name.
    """
    here = Path(os.path.abspath("."))  # noqa: PTH100 - links stay as they are named
    root = next((f for f in (here, *here.parents) if (f / ".git").exists()), here)
    found = {}
    for path in dict.fromkeys(paths):
        absolute = Path(os.path.abspath(path))  # noqa: PTH100
        if absolute.is_relative_to(root):
            inside = absolute.relative_to(root).as_posix()
            if inside != os.path.normpath(path):
                found[path] = inside
    return found


def _paths(result: Result) -> Iterator[str]:
    """Every path that a report may show as a place, standard input aside."""
    places = [f.location for f in result.findings]
    places += [v.location for w in result.witnesses for v in w.first_violations]
    named = [w.source for w in result.witnesses]
    named += [place.path for place in (*places, result.spec.location) if place is not None]
    yield from (path for path in named if path not in ("", "-") and "\0" not in path)
