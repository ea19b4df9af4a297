"""Documentation is generated, or run, or compared: it cannot rot unseen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from defect_cases import defects_page
from page_commands import BLOCK, as_printed

from lossaudit import registry
from lossaudit.closure.check import Check, manual
from lossaudit.spec.formula import parse_formula
from lossaudit.spec.formula_text import render
from lossaudit.spec.load import load_spec, presets

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

Golden = Callable[[str | Path, str], None]


def output_of(*args: str) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "CI")}
    done = subprocess.run(
        [sys.executable, "-m", "lossaudit", *args],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**env, "COLUMNS": "100", "TERMINAL_WIDTH": "100"},
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    return done.stdout


def test_checks_page_is_the_manual_pages(golden: Golden) -> None:
    parts = [
        "# Checks\n\nGenerated from the checks' own manual pages (`lossaudit explain NAME`).\n"
    ]
    for name, check in registry.load("lossaudit.checks", Check).items():
        parts.append(f"\n## {name}\n\n*{check.severity.value}*. {manual(check)}\n")
    golden(ROOT / "docs" / "checks.md", "".join(parts))


def test_presets_page_is_the_presets(golden: Golden) -> None:
    parts = ["# Presets\n\nGenerated from `lossaudit/presets/*.yaml`.\n"]
    for name, spec in presets().items():
        parts.append(f"\n## {name}\n\n{spec.summary}.\n\n    {render(spec.formula)}\n")
        if spec.rivals:
            rivals = "\n".join(f"- {n}: `` {text} ``" for n, (_, text) in spec.rivals.items())
            parts.append(f"\nRivals:\n\n{rivals}\n")
        sources = "\n".join(f"- <{s}>" for s in spec.sources)
        parts.append(f"\nSources:\n\n{sources}\n")
    golden(ROOT / "docs" / "presets.md", "".join(parts))


COMPLETION = """\
`lossaudit --install-completion` makes bash, zsh, fish or PowerShell complete what you type:
commands, options, and the names that `--spec`, `--reader`, `--format`, `--select`, `--ignore`,
`--adapter`, `--dtype`, `--device`, `--fail-on` and `explain` take. `--show-completion` prints the
script instead. Where no name fits, files are offered.
"""


def test_command_page_is_the_help_texts(golden: Golden) -> None:
    parts = [f"# Commands\n\nGenerated from `lossaudit --help`.\n\n{COMPLETION}"]
    for args in (
        [],
        ["audit"],
        ["check"],
        ["recompute"],
        ["balance"],
        ["identify"],
        ["verify"],
        ["diff"],
        ["init"],
        ["report"],
        ["lint"],
        ["presets"],
        ["readers"],
        ["checks"],
        ["explain"],
    ):
        text = "\n".join(line.rstrip() for line in output_of(*args, "--help").splitlines()).strip()
        parts.append(f"\n## lossaudit {' '.join(args)}".rstrip() + f"\n\n```text\n{text}\n```\n")
    golden(ROOT / "docs" / "cli.md", "".join(parts))


def test_defects_page_is_what_the_audits_say(golden: Golden) -> None:
    golden(ROOT / "docs" / "defects.md", defects_page())


CHINESE = ROOT / "docs" / "README.zh.md"
PAGES_WITH_COMMANDS = [page for page in PAGES if BLOCK.search(page.read_text())]


@pytest.mark.parametrize(
    "page", [p for p in PAGES_WITH_COMMANDS if p != CHINESE], ids=lambda p: p.name
)
def test_page_shows_what_its_commands_print(page: Path, tmp_path: Path, golden: Golden) -> None:
    golden(page, as_printed(page.read_text(), tmp_path))


def test_there_are_commands_to_run() -> None:
    named = {page.name for page in PAGES_WITH_COMMANDS}
    assert named >= {"README.md", "README.zh.md", "tutorial.md", "ten-minutes.md"}


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda p: p.name)
def test_every_block_begins_with_a_command(page: Path) -> None:
    assert all(block.startswith("$ ") for block in BLOCK.findall(page.read_text()))


@pytest.mark.parametrize("name", ["tutorial.md", "ten-minutes.md"])
def test_no_command_of_a_walk_through_goes_untested(name: str) -> None:
    fences = re.findall(r"^ *```(\w+)$", (ROOT / "docs" / name).read_text(), re.MULTILINE)
    assert set(fences) <= {"console", "python", "yaml", "text"}


@pytest.mark.parametrize("page", [ROOT / "README.md", CHINESE, ROOT / "docs" / "specs.md"])
def test_spec_of_a_page_loads(tmp_path: Path, page: Path) -> None:
    text = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)[0]
    (tmp_path / "spec.yaml").write_text(text)
    assert load_spec(str(tmp_path / "spec.yaml")).name == "my-loss"


def test_every_formula_of_the_reference_parses() -> None:
    table = (ROOT / "docs" / "specs.md").read_text().split("## The formula")[1].split("## The")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    found = [f for cell in cells for f in re.findall(r"``\s(.+?)\s``|`([^`]+)`", cell)]
    assert len(found) >= 10
    for quoted, plain in found:
        parse_formula(quoted or plain)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    quoted = re.findall(r"`((?:lossaudit|fixtures|docs|tests|benchmarks)/[\w./-]+)`", text)
    for path in links:
        assert (page.parent / path).exists(), path
    for path in quoted:
        assert (ROOT / path).exists(), path


def test_readme_lists_every_page() -> None:
    linked = {(ROOT / path).resolve() for path in re.findall(r"\]\((docs/[^)#]+)\)", README)}
    assert linked >= set((ROOT / "docs").glob("*.md"))


def test_chinese_readme_has_the_same_commands() -> None:
    chinese = CHINESE.read_text()
    assert BLOCK.findall(chinese) == BLOCK.findall(README)
    assert re.findall(r"```sh\n.*?```", chinese, re.DOTALL) == re.findall(
        r"```sh\n.*?```", README, re.DOTALL
    )
    assert "(docs/README.zh.md)" in README
    assert "(../README.md)" in chinese


def test_both_readme_commands_use_the_constraints() -> None:
    commands = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert len(commands) == 2
    assert all("-c .ci/constraints.txt" in c for c in commands)
