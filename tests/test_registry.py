"""The folder listing is the registry; what every plugin must satisfy, also those to come."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType

import pytest

from lossaudit import registry
from lossaudit.closure.check import Check, manual
from lossaudit.closure.examine import examine
from lossaudit.model.log import Log
from lossaudit.model.report import Report
from lossaudit.model.table import Damage, Table
from lossaudit.spec.load import load_spec
from lossaudit.witnesses.log import readers
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.replay.adapter import adapters
from lossaudit.witnesses.stream import LogStream

PACKAGE = Path(registry.__file__).parent
CHECKS = registry.load("lossaudit.checks", Check)
SECTIONS = (
    "What it checks",
    "Why it matters",
    "Example",
    "How to fix",
    "When it cannot decide",
    "Numerics",
    "Source",
)


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("witnesses/logs", set(readers())),
        ("checks", set(CHECKS)),
        ("witnesses/replay/adapters", set(adapters())),
        ("reports", set(registry.load("lossaudit.reports", Report))),
    ],
)
def test_every_file_of_a_plugin_folder_is_one_plugin(folder: str, names: set[str]) -> None:
    files = {p.stem for p in (PACKAGE / folder).glob("*.py") if p.stem != "__init__"}
    assert len(names) == len(files)


def test_reports_are_found_by_their_files_names() -> None:
    listed = registry.listed("lossaudit.reports")
    assert listed == list(registry.load("lossaudit.reports", Report))
    assert all(registry.find("lossaudit.reports", n, Report).name == n for n in listed)


@pytest.mark.parametrize("plugins", [[], [1, 2]])
def test_a_module_without_exactly_one_plugin_is_refused(plugins: list[int]) -> None:
    module = ModuleType("broken")
    for i, plugin in enumerate(plugins):
        setattr(module, f"plugin_{i}", plugin)
    with pytest.raises(TypeError, match=r"broken: [02] plugins of type int, not 1"):
        registry.only_plugin(module, int)


@pytest.mark.parametrize("name", readers())
@pytest.mark.parametrize("content", [b"", b"\n", b"\0" * 64, b"\xff\xfe", b"loss", b'{"loss": nan'])
def test_every_reader_survives_what_is_no_log(name: str, content: bytes) -> None:
    stream = LogStream("log", io.BytesIO(content))
    for item in readers()[name].read(stream, ReadOptions()):
        assert isinstance(item, Table | Damage)


@pytest.mark.parametrize("name", readers())
def test_no_reader_claims_an_empty_file_of_no_name(name: str) -> None:
    assert readers()[name].sniff(b"", "log") == 0


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_has_a_manual_page(name: str) -> None:
    page = manual(CHECKS[name])
    for section in SECTIONS:
        assert f"\n**{section}**\n" in page


@pytest.mark.parametrize("name", CHECKS)
def test_no_check_speaks_of_an_empty_log(name: str) -> None:
    evidence = examine(load_spec("musetalk-v1"), Log("log"))
    assert list(CHECKS[name].run(evidence)) == []


def test_only_errors_refute() -> None:
    assert {c.severity.value for c in CHECKS.values() if c.refutes} == {"error"}
