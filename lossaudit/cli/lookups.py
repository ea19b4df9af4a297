"""`presets`, `readers`, `checks` and `explain`: what there is, in words."""

from __future__ import annotations

import importlib
import inspect

from lossaudit import registry
from lossaudit.cli.output import REPORTS, page_of_output, write_out
from lossaudit.closure.check import Check, manual
from lossaudit.errors import UsageError
from lossaudit.model.report import Report
from lossaudit.rendering.manual_page import render_list, render_manual
from lossaudit.spec.hints import did_you_mean
from lossaudit.spec.load import load_spec, preset_names
from lossaudit.spec.load import presets as load_presets
from lossaudit.spec.manual import preset_manual
from lossaudit.witnesses.log import readers

CHECKS = "lossaudit.checks"


def show_presets() -> None:
    """One line for each preset."""
    _show_list([(name, spec.summary) for name, spec in load_presets().items()])


def show_readers() -> None:
    """One line for each reader."""
    _show_list([(name, reader.summary) for name, reader in readers().items()])


def show_checks() -> None:
    """One line for each check."""
    known = registry.load(CHECKS, Check)
    _show_list([(name, f"{c.severity.value}: {c.summary}") for name, c in known.items()])


def explain(name: str) -> None:
    """The manual page of everything that has that name.

    Raises:
        UsageError: if nothing has it.
    """
    pages = [*_checks(name), *_presets(name), *_readers(name), *_formats(name)]
    if not pages:
        known = [*registry.listed(CHECKS), *preset_names(), *readers(), *registry.listed(REPORTS)]
        raise UsageError(
            f"nothing is called {name!r}",
            expected="a name that `lossaudit checks`, `presets` or `readers` lists, "
            "or a report format",
            hint=did_you_mean(name, sorted(set(known))),
        )
    page = page_of_output()
    write_out("\n".join(render_manual(title, text, page) for title, text in pages))


def _checks(name: str) -> list[tuple[str, str]]:
    if name not in registry.listed(CHECKS):
        return []
    check: Check = registry.find(CHECKS, name, Check)
    return [(f"{name}: a check ({check.severity.value})", manual(check))]


def _presets(name: str) -> list[tuple[str, str]]:
    if name not in preset_names():
        return []
    return [(f"{name}: a preset", preset_manual(load_spec(name)))]


def _readers(name: str) -> list[tuple[str, str]]:
    reader = readers().get(name)
    if reader is None:
        return []
    text = _docstring(reader.read.__module__)
    use = f"    lossaudit check LOG --reader {name} --spec ..."
    return [(f"{name}: a log format", f"{text}\n\nWithout --reader the content decides.\n\n{use}")]


def _formats(name: str) -> list[tuple[str, str]]:
    if name not in registry.listed(REPORTS):
        return []
    report: Report = registry.find(REPORTS, name, Report)
    text = _docstring(f"{REPORTS}.{name.replace('-', '_')}")
    needs = "\n\nNeeds the extra: pip install 'lossaudit[report]'" if report.needs else ""
    use = f"    --format {name}           on standard output\n    --report {name}=FILE      as well"
    return [(f"{name}: a report format", f"{text}{needs}\n\n{use}")]


def _docstring(module: str) -> str:
    return inspect.getdoc(importlib.import_module(module)) or ""


def _show_list(rows: list[tuple[str, str]]) -> None:
    write_out(render_list(rows, page_of_output()))
